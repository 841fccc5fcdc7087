// What a command is given besides its values: input and output, the gateway to talk to, and a signal.
// Refuses to know: any command; how a token is got (login/).

import type { GatewayAccess } from '../login/access.ts';
import type { Paths } from '../login/paths.ts';
import type { Api } from './api.ts';
import type { Io } from './io.ts';

/** Options that every command has. */
export interface GlobalValues {
  readonly json: boolean;
  readonly gateway: string | undefined;
  readonly agent: string | undefined;
  readonly caFile: string | undefined;
  readonly caFingerprint: string | undefined;
  /** Where `gateway` was given: a project file may only name a gateway that the user already knows. */
  readonly gatewayFrom: 'flag' | 'environment' | 'project' | 'user' | undefined;
}

export interface Context {
  readonly io: Io;
  readonly globals: GlobalValues;
  readonly json: boolean;
  /** Whether the option stands on the command line itself. */
  given(option: string): boolean;
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP; `reason` is a `SignalReason`. */
  readonly signal: AbortSignal;
  readonly paths: Paths;
  /** The gateway in force with its CA and a token source. Errors: login_needed, config_invalid. */
  access(): Promise<GatewayAccess>;
  /** The HTTP API of that gateway. */
  api(): Promise<Api>;
  /** Data on stdout: the object as one line of JSON with `--json`, otherwise the text, which ends in a newline. */
  print(json: unknown, text: () => string): Promise<void>;
}

export interface SignalReason {
  readonly signal: NodeJS.Signals;
}
