// What the conversation (machine/) asks of the reading of SQL (sql/, catalogue/, masking/): types alone, no code.
// Refuses to know: how SQL is parsed, how the catalogue is read, what the wire looks like beyond one field of one row.

import type { Covering, Facts, Mask, Memory, PredicateUse, ResultColumn } from '../contract.ts';

// ---------------------------------------------------------------------------------------------------------------------
// Text → facts.

/** Options of one COPY … TO STDOUT / FROM STDIN as PostgreSQL would read them, defaults filled in. */
export interface CopyOptions {
  readonly direction: 'out' | 'in';
  readonly format: 'text' | 'csv' | 'binary';
  readonly delimiter: string;
  /** The text of NULL. */
  readonly null: string;
  readonly quote: string;
  readonly escape: string;
  readonly header: boolean;
  /** `ENCODING` where it was given, as written. */
  readonly encoding?: string;
}

/** One statement of a text, beside its facts. Every name is folded as PostgreSQL folds it. */
export interface StatementInfo {
  readonly facts: Facts;
  /** It can change what the catalogue says (DDL): when it completes, `ColumnPlanner.invalidate` is called. */
  readonly ddl: boolean;
  /** It can change how an unqualified name resolves: `search_path`, role, temporary objects, `set_config`, DISCARD. */
  readonly names: boolean;
  /** It can change more of that than which temporary objects there are. Left out: as `names`. */
  readonly path?: boolean;
  /** COPY to or from the client. */
  readonly copy?: CopyOptions;
  /** SET, RESET and SET LOCAL of one parameter: folded name; undefined value for DEFAULT and RESET; `all` for RESET ALL. */
  readonly set?: { readonly name: string; readonly value: string | undefined };
  /** PREPARE name AS statement: the inner statement as an analysis of its own with exactly one statement. */
  readonly prepare?: { readonly name: string; readonly analysis: Analysis; readonly text: string };
  /** EXECUTE name (also inside EXPLAIN and CREATE TABLE AS): its facts are those of the call; the machine adds what it knows. */
  readonly execute?: { readonly name: string };
  /** DEALLOCATE name; undefined name: ALL, or DISCARD ALL. */
  readonly deallocate?: { readonly name: string | undefined };
  /** DECLARE name CURSOR FOR query: the query as an analysis of its own. */
  readonly declare?: { readonly name: string; readonly hold: boolean; readonly analysis: Analysis };
  /** FETCH … FROM name (MOVE returns nothing and is not one). */
  readonly fetch?: { readonly name: string };
  /** MOVE … IN name: nothing comes of it, and what the cursor is for runs. */
  readonly moves?: { readonly name: string };
  /** CLOSE name; undefined name: ALL. */
  readonly close?: { readonly name: string | undefined };
  /** COMMIT, ROLLBACK, ROLLBACK TO, PREPARE TRANSACTION: cursors of the transaction may be gone once it completes. */
  readonly endsCursors: boolean;
}

/** What is known of one text (one Query or Parse message). Immutable, shared by a cache. */
export interface Analysis {
  /** One entry a statement, in order; empty for an empty text. The same objects as in `statements`. */
  readonly facts: readonly Facts[];
  readonly statements: readonly StatementInfo[];
  /** The text with its constants as `?`: whatever has the same shape has these very facts. Undefined: not known to be so. */
  readonly shape?: string;
  /**
   * The text does not parse (or cannot be proven to be read as the server reads it): then `facts` has one opaque entry
   * and `statements` too. `position` counts characters from 1, as in ErrorResponse's field P.
   */
  readonly error?: { readonly message: string; readonly position?: number };
}

export interface Analyser {
  /**
   * Sync; cached by normalised text. `sql` is the text without its terminating NUL, and belongs to the caller: it must
   * not be kept. Invalid UTF-8 and embedded NUL are an `error`. Never throws: what fails is an `error`.
   * @param types of parameters, where the client says them.
   */
  analyse(sql: Buffer, types?: readonly number[]): Analysis;
}

// ---------------------------------------------------------------------------------------------------------------------
// Result columns → origins.

/** One field of RowDescription ("Message Formats"); `format` is the one really used for the rows. */
export interface Field {
  readonly name: string;
  /** The table's OID when the field is a plain column of a table (or view), else 0. */
  readonly tableOid: number;
  readonly attnum: number;
  readonly typeOid: number;
  readonly typeSize: number;
  readonly typmod: number;
  readonly format: 0 | 1;
}

/** What the machine knows of the server's session that a plan may depend on. */
export interface PlanContext {
  /** Unqualified names still resolve as they do for a fresh session of this user: no statement with `names` was let through. */
  readonly namesPinned: boolean;
  /** The same, but that temporary objects may have been made. Left out: as `namesPinned`. */
  readonly pathPinned?: boolean;
  /**
   * DDL ran in a transaction (also the implicit one of several statements in one text, or of a pipeline) that is not over:
   * the catalogue cannot show it yet. Undefined: not known, and any DDL of the session counts.
   */
  readonly ddlPending?: boolean;
  /** What `mark` gave before the rows were made. Left out: nothing can have changed since. */
  readonly since?: Mark | undefined;
}

/** The catalogue as it was when a statement was sent: what its names meant. */
export type Mark = object;

/** Used only where `session.masking` says that something may be masked, or `session.reaching` that it matters what is reached. */
export interface ColumnPlanner {
  /**
   * The parts of an operation with everything that they reach, and behind them what runs because of them. `sources` as
   * `resolve` found them, where parts refer to something named before. A rejection or throw: it is not known.
   */
  reached?(
    parts: readonly Facts[],
    analysis: Analysis,
    sources: readonly { readonly analysis: Analysis | undefined; readonly part: number }[] | undefined,
    context: PlanContext,
  ): readonly Facts[] | Promise<readonly Facts[]>;

  /**
   * The columns of a result. `analysis` is undefined when it is not known what made the rows (then nothing is proven).
   * Sync when the catalogue is cached, else a promise; the machine stops reading the target until it resolves.
   * A rejection or throw is treated as "nothing proven".
   */
  columns(
    analysis: Analysis | undefined,
    part: number,
    fields: readonly Field[],
    context: PlanContext,
  ): readonly ResultColumn[] | Promise<readonly ResultColumn[]>;

  /**
   * The columns of COPY … TO STDOUT in their order; asked before the statement is forwarded, so that a refusal is one of
   * the statement. Throws (or rejects with) HoopctlError 'denied' when they cannot be known.
   */
  copyColumns(
    analysis: Analysis,
    part: number,
    context: PlanContext,
  ): readonly ResultColumn[] | Promise<readonly ResultColumn[]>;

  /**
   * What a statement would store, or send where nothing masks it: INSERT … SELECT, CREATE TABLE AS, an UPDATE that copies a
   * column into another, COPY … TO a file, a column given to set_config or to a function that is not known. Asked before
   * the statement is forwarded: when `Session.masks` has a column mask for any of these, the statement is to be refused
   * (42501). Empty: nothing. A rejection or throw is to be refused as well.
   */
  moved?(
    analysis: Analysis,
    part: number,
    context: PlanContext,
  ): readonly ResultColumn[] | Promise<readonly ResultColumn[]>;

  /**
   * How a statement uses columns beside selecting them. Asked before it is forwarded; a rejection or throw is to be
   * refused.
   */
  predicates?(
    analysis: Analysis,
    part: number,
    context: PlanContext,
  ): readonly PredicateUse[] | Promise<readonly PredicateUse[]>;

  /**
   * Whether anything in the database is covered by masks, or may be looked at by this text elsewhere. False: its values,
   * errors and definitions are nobody's secret. Sync where that is known; never rejects. @param unseen its rows are of a
   * cursor or a statement that something else in the session has made: what that was, was in the texts before it.
   */
  covered?(covering: Covering | undefined, text: string, unseen: boolean): boolean | Promise<boolean>;
  /** As `covered`, and true where it is not known at the moment. */
  coveredNow?(covering: Covering | undefined, text: string): boolean;
  /** A text that is let through: where it may change what is covered, that is looked at anew behind its DDL. */
  defines?(covering: Covering | undefined, text: string): void;

  /** DDL went by: what was read from the catalogue may be stale. */
  invalidate(): void;

  /** Asked before a statement is sent, and given back with its rows, or those of the cursor that it declares. */
  mark?(analysis: Analysis, context: PlanContext): Mark | Promise<Mark>;
  /** DDL of this session was sent, or is over as far as the gateway can see; `lost`: nobody will tell how it came out. */
  unsettle?(): void;
  settle?(lost: boolean): void;
}

/** A plain second connection to the same database as the same user, for the catalogue. Text values, null for NULL. */
export interface SideConnection {
  /** Simple query, one statement. Throws HoopctlError target_error with the server's message. One at a time. */
  query(sql: string): Promise<readonly (readonly (string | null)[])[]>;
  close(): void;
}

/** Where a planner reads the catalogue; made by startup/ once the target and its database are known. */
export interface CatalogueSource {
  /** Stable for the process: connection, database and user; a cache may be shared by all sessions with the same key. */
  readonly key: string;
  /** The database itself, whoever reads it: a change of its catalogue concerns all. */
  readonly place?: string;
  /** Where former names are kept; left out: they last as long as the process. */
  readonly memory?: Memory;
  connect(signal: AbortSignal): Promise<SideConnection>;
}

// ---------------------------------------------------------------------------------------------------------------------
// Values → masked values.

/** Receives each row after masking, for the recording: text, null for NULL, binary as `\x…`. Undefined: not wanted. */
export type RowSink = ((values: readonly (string | null)[]) => void) | undefined;

export interface CopyMasker {
  /** Payload of one CopyData → bytes to send as one CopyData; empty while no row is whole. Holds back at most one row. */
  data(payload: Buffer): Buffer;
  /** CopyDone: what was held back. */
  done(): Buffer;
}

export interface ValueMasker {
  /**
   * One whole DataRow message, header included → the same message with masks applied (the same buffer when nothing
   * changed). A value whose mask throws becomes NULL. `masks` has one entry a field.
   */
  dataRow(message: Buffer, fields: readonly Field[], masks: readonly (Mask | null)[]): Buffer;
  /** `columns` are those of `copyColumns`; `sink` is asked for each row, so that it can stop wanting them. */
  copy(
    options: CopyOptions,
    columns: readonly ResultColumn[],
    masks: readonly (Mask | null)[],
    sink: () => RowSink,
    /** Bytes of one row at most; throws HoopctlError limit_exceeded over it. */
    maxRowBytes: number,
  ): CopyMasker;
}

/** What sql/, catalogue/ and masking/ supply; machine tests use small fakes of it. */
export interface SqlParts {
  readonly analyser: Analyser;
  readonly masker: ValueMasker;
  planner(source: CatalogueSource): ColumnPlanner;
}
