// How a user's own tools reach a connection: a part of the contract (contract.ts, which hands it on).
// Refuses to know: any tool.

/** How a user's own tool reaches a local port of this protocol. */
export interface LocalAccess {
  /** Standard variables for a child process: `PGHOST`, … Never a secret of the target. */
  readonly environment: Readonly<Record<string, string>>;
  /** Inherited variables that would lead the tool elsewhere or carry a secret: taken out of a child's environment. */
  readonly unset?: readonly string[];
  /** To paste into a tool. */
  readonly url: string;
  /** Named facts for the ready line: user, database, … */
  readonly facts: Readonly<Record<string, string>>;
  /** The shorthand command (`psql`) and its leading arguments, where the protocol has one. */
  readonly command?: readonly string[];
}

/** A client without hoopctl, at the native listener with a token as password. */
export interface NativeClient {
  readonly connection: string;
  /** Whom the token is for, by the name that goes with it. */
  readonly user: string;
  readonly host: string;
  readonly port: number;
  /** A file of the certificates (PEM) by which the listener is verified; undefined: the system's. */
  readonly ca?: string | undefined;
}

/** What such a client has to be told beside the token. */
export interface NativeAccess {
  /** What to give by the client's own words: user, database, …; the listener's address is not among it. */
  readonly facts: Readonly<Record<string, string>>;
  /** A line for a POSIX shell; where its program asks for the password, that is the token. */
  readonly example: string;
}

/** A connection as the user's own tools are to reach it: at a local port, or through a program by stdin and stdout. */
export interface ToolHost {
  readonly name: string;
  readonly described: Readonly<Record<string, string>>;
  readonly by: { readonly host: string; readonly port: number } | { readonly command: readonly string[] };
}

/** Files that lead the user's own tools to connections by their names. */
export interface ToolFiles {
  /** Name in the folder → text. */
  readonly files: Readonly<Record<string, string>>;
  /** For a child process. */
  readonly environment: Readonly<Record<string, string>>;
  /** For good: the line to add to which file of the user's. */
  readonly include: { readonly file: string; readonly line: string };
}
