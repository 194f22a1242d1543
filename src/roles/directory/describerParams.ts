/** How often nodes are asked about themselves, and how long they may take. @module */
import { type Millis, minutes, seconds } from '../../foundation/base/units.ts'
import { DEFAULT_POLL_PARAMS, type PollParams } from './nodePoll.ts'

export interface DescriberParams extends PollParams {
  /** A node that answered is asked again after this. */
  readonly refreshInterval: Millis
  /** A node that failed is asked again after this, then after twice this, and so on up to `refreshInterval`. */
  readonly retryInterval: Millis
  /** What was found until then is shown even if the first round goes on: slow nodes must not keep the directory shut. */
  readonly firstRoundLimit: Millis
  /** Nodes asked at one time. */
  readonly parallel: number
  /**
   * A node that answered before is dropped after this many failures in a row. Official directories drop it after one. That takes
   * a gateway from all its clients because a process restarted at the wrong second, while what is known of the node is signed
   * by it and still true; with retries after one and two minutes three failures are three minutes of silence.
   */
  readonly failuresToDrop: number
  /** The fraction of an epoch before a key rotation in which every node is asked for the key it announces. */
  readonly rotationLead: number
  /** Between refreshes that a node asks for. */
  readonly forcedInterval: Millis
}

export const DEFAULT_DESCRIBER_PARAMS: DescriberParams = {
  ...DEFAULT_POLL_PARAMS,
  refreshInterval: seconds(4500),
  retryInterval: minutes(1),
  firstRoundLimit: seconds(20),
  parallel: 50,
  failuresToDrop: 3,
  rotationLead: 0.25,
  forcedInterval: minutes(1),
}
