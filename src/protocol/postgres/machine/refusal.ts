// How no is said: the refused request is replaced by one that fails in the server itself, and the server's error by ours.
// So the transaction, explicit or that of a pipeline, ends exactly as the server's own error would have ended it.
// Refuses to know: who refused.

import type { HoopctlError } from '../../../core/errors.ts';
import type { Refusal } from '../../contract.ts';
import type { Analysis } from '../analysis.ts';
import { closeNamed, parse, query, SYNC } from '../wire/frontend.ts';
import type { Notice } from '../wire/notice.ts';

/** Not SQL in any version, so it fails in the raw parser: before anything runs, also in a failed transaction. */
const BAD_SQL = 'REFUSED BY HOOPCTL';
/** A name that no client uses; nothing is ever stored under it, because its text does not parse. */
const RESERVED = 'hoopctl_refused';

export const REFUSED_QUERY = query(BAD_SQL);
export const REFUSED_EXECUTE = parse(RESERVED, BAD_SQL);
/** Same name as the refused Parse: an unnamed statement is gone after its own failure too. */
export const refusedParse = (name: string): Buffer => parse(name, BAD_SQL);

/**
 * A text that our parser cannot read: the server says itself what is wrong with it, and Parse runs nothing. Where the
 * server can read it all the same, the statement is taken away again, and what fails behind it is told as our refusal.
 */
export function triedParse(name: string, text: string): Buffer {
  return Buffer.concat([parse(name, text), closeNamed('statement', name), parse(name, BAD_SQL)]);
}
/** The same in a Query's place, which drops the unnamed statement as well. */
export const triedQuery = (text: string): Buffer => Buffer.concat([triedParse('', text), SYNC]);

const SQLSTATE: Record<Refusal['code'], string> = {
  denied: '42501', // insufficient_privilege
  access_denied: '42501',
  review_denied: '42501',
  review_expired: '42501',
  review_cancelled: '57014', // query_canceled
  recording_failed: '58030', // io_error
  internal: 'XX000', // internal_error
};

export function refusalNotice(refusal: Refusal): Notice {
  return {
    severity: 'ERROR',
    code: SQLSTATE[refusal.code],
    message: refusal.message,
    detail: `session ${refusal.session}`,
    hint: refusal.next,
  };
}

/** A budget ends a result in the middle: configuration_limit_exceeded. */
export function overspent(refusal: Refusal): Notice {
  return { ...refusalNotice(refusal), code: '53400' };
}

/** A statement that rules have to read and cannot, though the server may. */
export function unreadableNotice(error: NonNullable<Analysis['error']>, session: string): Notice {
  return {
    severity: 'ERROR',
    code: '42601', // syntax_error
    message: error.message,
    detail: `the gateway has to read every statement here and could not read this one (session ${session})`,
    hint: 'correct the statement; where the server accepts it as it is, ask for a connection without rules and masks',
    position: error.position,
  };
}

export function misreadNotice(parameter: string, session: string): Notice {
  return {
    severity: 'ERROR',
    code: '42501',
    message: `"${parameter}" cannot be changed here: the gateway would read statements otherwise than the server`,
    detail: `session ${session}`,
    hint: parameter === 'client_encoding' ? 'use UTF8' : 'leave it on',
  };
}

/** FunctionCall, which names its function by number. @param masked it is what it returns that matters. */
export function functionCallNotice(masked: boolean, session: string): Notice {
  return {
    severity: 'ERROR',
    code: '0A000', // feature_not_supported
    message: masked ? 'FunctionCall is refused here: what it returns cannot be masked' : 'FunctionCall is refused here',
    detail: `session ${session}`,
    hint: 'call the function in a SELECT, or have options.allow: [function-call] set for the connection',
  };
}

/** A text whose strings end elsewhere under a setting that is not told yet. */
export function unsettledNotice(session: string): Notice {
  return {
    severity: 'ERROR',
    code: '42501',
    message: "a text with \\' in it is refused here behind other statements: what they set may change how it is read",
    detail: `session ${session}`,
    hint: "send Sync before it, write '' for a quote, or bind the value",
  };
}

/** An error of ours that one statement meets (its masks cannot be planned). */
export function statementNotice(error: HoopctlError, session: string): Notice {
  return {
    severity: 'ERROR',
    code: error.code === 'denied' || error.code === 'not_supported' ? '42501' : 'XX000',
    message: error.message,
    detail: `session ${session}`,
    hint: error.fix,
  };
}

/** The same for the record. */
export function refusalOf(error: HoopctlError, session: string): Refusal {
  return {
    code: error.code === 'denied' || error.code === 'not_supported' ? 'denied' : 'internal',
    message: error.message,
    ...(error.rule === undefined ? {} : { rule: error.rule }),
    next: error.fix ?? '',
    session,
  };
}

/** A COPY under way when a mask that was lifted is put back. */
export function maskedAgain(session: string): Notice {
  return {
    severity: 'ERROR',
    code: '42501',
    message: 'the result is cut: masks that were lifted for a time apply again',
    detail: `session ${session}`,
    hint: 'run it again: what is masked now is masked in it',
  };
}
