import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { isMixnetError } from '../../../foundation/base/errors.ts'
import { encodeControlRequest, encodeControlResponse, parseControlRequest, parseControlResponse } from './control.ts'

interface Text {
  name: string
  text: string
  normalised?: string
  error?: string
  signatureValid?: boolean
  ciphertextValid?: boolean
}
interface Vectors {
  controlRequests: Text[]
  controlRequestParsing: Text[]
  controlResponses: Text[]
  controlResponseParsing: Text[]
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../../vectors/${name}`, import.meta.url), 'utf8'))
const vectors = read('gateway.json') as Vectors
const isMalformed = (error: unknown): boolean => isMixnetError(error, 'MALFORMED')

describe('control texts', () => {
  for (const { name, text } of vectors.controlRequests) {
    it(`request ${name}`, () => assert.equal(encodeControlRequest(parseControlRequest(text)), text))
  }
  for (const { name, text, normalised, error } of vectors.controlRequestParsing) {
    it(`request: ${name}`, () => {
      if (error !== undefined) assert.throws(() => parseControlRequest(text), isMalformed)
      else assert.equal(encodeControlRequest(parseControlRequest(text)), normalised)
    })
  }
  for (const { name, text } of vectors.controlResponses) {
    it(`response ${name}`, () => assert.equal(encodeControlResponse(parseControlResponse(text)), text))
  }
  for (const { name, text, normalised, error } of vectors.controlResponseParsing) {
    it(`response: ${name}`, () => {
      if (error !== undefined) assert.throws(() => parseControlResponse(text), isMalformed)
      else assert.equal(encodeControlResponse(parseControlResponse(text)), normalised)
    })
  }
})
