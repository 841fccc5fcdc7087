// How a client says who it is at a native listener: a part of the contract (contract.ts, which hands it on).
// Refuses to know: tokens, issuers, any protocol's bytes.

/** What the client said of itself before a session can exist. */
export interface Introduction {
  /** The user name given on the wire (native listener); not trusted, compared with the token's principal. */
  readonly user?: string;
  /** The connection's name given on the wire (native listener). */
  readonly connection?: string;
  /** The token given as password (native listener). */
  readonly secret?: string;
  /** The gateway's word for a key of the client's, and the fingerprint of the key that it has just proven to hold. */
  readonly proof?: { readonly token: string; readonly key: string };
  /** The client program's own name, for the record. */
  readonly application?: string;
}

/** A login that a person confirms in a browser (RFC 8628), to be told to the client as it is. */
export interface DeviceLogin {
  /** Where to confirm, with the code in it where the issuer offers that. */
  readonly url: string;
  readonly code: string;
}

/** A credential for a key that a client holds: what the protocol makes of it is its own. */
export interface KeyCredential {
  /** A public key as the user's own tools write it. */
  readonly publicKey: string;
  /** Whom it is for: one name, and what is shown in logs. */
  readonly name: string;
  readonly label: string;
  /** Milliseconds since the epoch. */
  readonly from: number;
  readonly until: number;
  /** The gateway's word for who it is, good for the key of this fingerprint alone: to be shown again as `proof`. */
  assertion(key: string): Promise<string>;
}
