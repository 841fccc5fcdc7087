// Messages to the outside that are on their way, and where they are kept so that a restart loses none.
// Refuses to know: what they say, how they travel, SQL. Times are milliseconds since the epoch.

export interface Delivery {
  /** The same at every attempt: a receiver that knows it already has got it. */
  readonly id: string;
  /** The configured name of the webhook. */
  readonly webhook: string;
  /** The kind of alert. */
  readonly event: string;
  /** The exact bytes that are sent and signed, UTF-8. */
  readonly body: string;
  /** `dead`: given up; somebody may have it tried again. What was delivered is gone. */
  readonly state: 'pending' | 'dead';
  readonly attempts: number;
  readonly createdAt: number;
  /** Not before; a moment ahead while somebody is at it. */
  readonly nextAt: number;
  /** Why the last attempt failed. */
  readonly error?: string;
}

export interface DeliveryFilter {
  readonly state?: Delivery['state'];
  readonly webhook?: string;
  readonly limit?: number;
}

export interface DeliveryStore {
  /** False when there is one of that id: another process told it already. */
  add(delivery: Delivery): Promise<boolean>;
  /** Pending ones of a webhook whose time has come, the longest due first. */
  due(webhook: string, now: number, limit: number): Promise<readonly Delivery[]>;
  /** Takes it for this process until then; false when another has it. */
  claim(delivery: Delivery, until: number): Promise<boolean>;
  delivered(id: string): Promise<void>;
  failed(
    id: string,
    change: Pick<Delivery, 'state' | 'attempts' | 'nextAt'> & { readonly error: string },
  ): Promise<void>;
  /** Newest first. */
  list(filter?: DeliveryFilter): Promise<readonly Delivery[]>;
  /** How many of each webhook and state. */
  count(): Promise<readonly { readonly webhook: string; readonly state: Delivery['state']; readonly count: number }[]>;
  /** Dead ones are tried again from now on: the one of that id, or all of the webhook, or all. Returns how many. */
  revive(which: { readonly id?: string; readonly webhook?: string }, now: number): Promise<number>;
  /** Forgets the dead of before. */
  purge(before: number): Promise<void>;
}
