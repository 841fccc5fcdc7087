// What the gateways of one store tell each other of themselves, as interfaces; `store/` implements them. Times are
// milliseconds since the epoch by the store's own clock. Refuses to know: SQL, what a gateway does.

export interface GatewaySelf {
  readonly id: string;
  /** Made anew by each process. */
  readonly instance: string;
  /** The machine's name. */
  readonly host: string;
  readonly url: string;
  readonly version: string;
}

export interface GatewayRecord extends GatewaySelf {
  readonly startedAt: number;
  readonly seenAt: number;
  /** Since it was last seen, in ms. */
  readonly silentMs: number;
  /** It stopped, or what it left was closed. */
  readonly over: boolean;
}

export interface Beat {
  /** False: another process has taken the id since. */
  readonly mine: boolean;
  /** How far the store's clock is ahead of this machine's, in ms. */
  readonly skewMs: number;
}

export interface GatewayStore {
  /** This process has the id from now on. */
  begin(self: GatewaySelf): Promise<Beat>;
  /** It is alive. */
  beat(self: GatewaySelf): Promise<Beat>;
  /** Those that were seen in the last 30 days. */
  list(): Promise<readonly GatewayRecord[]>;
  /** It stopped, or nothing of it is left open. */
  over(id: string, instance: string): Promise<void>;
}

/** The end of a session, asked for at another gateway than the one that it lives at. */
export interface KillRequest {
  readonly session: string;
  readonly by: string;
  readonly reason?: string;
}
