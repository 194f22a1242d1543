/**
 * A program of its own, which stands between a TUN device (its standard input, which socat has opened) and whoever started it (file descriptor 3):
 * packets from the one as frames to the other, and back. Two threads that block, for a device has no event that Node could wait for, and one packet
 * a system call is what it takes: so those are made here, and whoever started it reads many packets at a time.
 *
 * Memory is bounded by the kernel both ways. Where we are not read from, a thread waits in its write, the device's queue fills, and the kernel drops
 * what does not fit. It never writes to standard output, which is the device as well. @module
 */
import { readSync, writeSync } from 'node:fs'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { framed, LENGTH_BYTES, MAX_PACKET_BYTES, PacketFrames } from './packetFrames.ts'

const DEVICE = 0
const STARTER = 3
const CHUNK_BYTES = 64 * 1024

if (isMainThread) {
  process.title = 'starling-pump'
  const other = new Worker(new URL(import.meta.url), { execArgv: [] })
  other.once('error', end)
  other.once('message', () => untilEnd(fromDevice))
} else {
  parentPort?.postMessage('reads')
  untilEnd(toDevice)
}

/** An empty frame first: both threads are there. Ends where the device is gone: the kernel fails a read that waits, as one that comes later. */
function fromDevice(): void {
  writeWhole(framed([new Uint8Array(0)]))
  const frame = new Uint8Array(LENGTH_BYTES + MAX_PACKET_BYTES)
  const view = new DataView(frame.buffer)
  for (;;) {
    const length = read(DEVICE, frame.subarray(LENGTH_BYTES))
    if (length === 0) return
    view.setUint16(0, length)
    writeWhole(frame.subarray(0, LENGTH_BYTES + length))
  }
}

/** Ends where the starter is gone, however it ended: nobody else holds the other end. */
function toDevice(): void {
  const chunk = new Uint8Array(CHUNK_BYTES)
  const frames = new PacketFrames()
  for (;;) {
    const length = read(STARTER, chunk)
    if (length === 0) return
    frames.push(chunk.subarray(0, length), (packet) => {
      try {
        writeSync(DEVICE, packet)
      } catch {
        // The device is down (EIO), or that was no packet (EINVAL): it is lost, as on any wire. Whether the device is gone the other thread sees.
      }
    })
  }
}

function read(from: number, into: Uint8Array): number {
  for (;;) {
    try {
      return readSync(from, into)
    } catch (error) {
      // Reads are the one call that Node does not repeat.
      if ((error as NodeJS.ErrnoException).code !== 'EINTR') throw error
    }
  }
}

function writeWhole(bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) written += writeSync(STARTER, bytes, written)
}

function untilEnd(work: () => void): void {
  try {
    work()
  } catch (error) {
    end(error)
  }
  end()
}

/** No exit: that would wait for the other thread, which waits for a packet. */
function end(why?: unknown): void {
  try {
    if (why !== undefined) writeSync(2, `${why}\n`)
  } finally {
    process.kill(process.pid, 'SIGKILL')
  }
}
