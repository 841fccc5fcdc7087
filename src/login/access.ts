// A gateway as everything that talks to it needs it: where it is, what to trust, and who we are there.
// Refuses to know: how a token was got, what is asked of the gateway.

export interface TokenSource {
  /**
   * A bearer token of the gateway, valid for a while yet; renewed when needed, once for all processes.
   * `renew`: the gateway refused the last one, get another. Errors: login_needed, login_expired, gateway_unreachable.
   */
  token(options?: { renew?: boolean }): Promise<string>;
}

export interface GatewayAccess {
  /** Origin without a trailing slash: `https://gw.example.com:7443`. */
  readonly url: string;
  /** PEM certificates to trust instead of the system's; undefined: the system's. */
  readonly ca: string | undefined;
  /** `ca` may be a leaf that was accepted as it is: pass `allowPartialTrustChain: true` to TLS with it. */
  readonly tokens: TokenSource;
  /** Headers of every request and tunnel: `Authorization`, `Hoopctl-Agent`, `Hoopctl-Reason` (percent-encoded UTF-8). */
  headers(options?: { reason?: string; renew?: boolean }): Promise<Record<string, string>>;
}
