// The first byte of every message of protocol 3 ("Message Formats" in PostgreSQL's documentation), by its name there,
// and where the length is. Refuses to know: what a message holds, when it may be sent.

import type { FrameFormat } from '../../wire/frames.ts';
import type { Limits } from '../limits.ts';

/** Messages from the client. */
export const Front = {
  Bind: 0x42, // B
  Close: 0x43, // C
  CopyData: 0x64, // d
  CopyDone: 0x63, // c
  CopyFail: 0x66, // f
  Describe: 0x44, // D
  Execute: 0x45, // E
  Flush: 0x48, // H
  FunctionCall: 0x46, // F
  Parse: 0x50, // P
  /** PasswordMessage, SASLInitialResponse, SASLResponse, GSSResponse share one byte. */
  Password: 0x70, // p
  Query: 0x51, // Q
  Sync: 0x53, // S
  Terminate: 0x58, // X
} as const;

/** Messages from the server. */
export const Back = {
  Authentication: 0x52, // R
  BackendKeyData: 0x4b, // K
  BindComplete: 0x32, // 2
  CloseComplete: 0x33, // 3
  CommandComplete: 0x43, // C
  CopyBothResponse: 0x57, // W
  CopyData: 0x64, // d
  CopyDone: 0x63, // c
  CopyInResponse: 0x47, // G
  CopyOutResponse: 0x48, // H
  DataRow: 0x44, // D
  EmptyQueryResponse: 0x49, // I
  ErrorResponse: 0x45, // E
  FunctionCallResponse: 0x56, // V
  NegotiateProtocolVersion: 0x76, // v
  NoData: 0x6e, // n
  NoticeResponse: 0x4e, // N
  NotificationResponse: 0x41, // A
  ParameterDescription: 0x74, // t
  ParameterStatus: 0x53, // S
  ParseComplete: 0x31, // 1
  PortalSuspended: 0x73, // s
  ReadyForQuery: 0x5a, // Z
  RowDescription: 0x54, // T
} as const;

function nameOf(table: Record<string, number>, type: number): string {
  for (const [name, byte] of Object.entries(table)) if (byte === type) return name;
  const shown = type > 32 && type < 127 ? ` ('${String.fromCharCode(type)}')` : '';
  return `message type 0x${type.toString(16).padStart(2, '0')}${shown}`;
}

/** For errors: `Query`, or the byte itself where it is none of protocol 3. */
export const frontName = (type: number): string => nameOf(Front, type);
export const backName = (type: number): string => nameOf(Back, type);

/** A message is one byte of type and an int32 length that counts itself but not the type. */
export const HEADER = 5;

/** Frames of protocol 3. `passed`: types that need not be whole in memory and may be as long as a message can be. */
export function messageFormat(limits: Limits, passed: readonly number[]): FrameFormat {
  return {
    header: HEADER,
    min: HEADER,
    total: (buffer, at) =>
      ((buffer[at + 1]! << 24) | (buffer[at + 2]! << 16) | (buffer[at + 3]! << 8) | buffer[at + 4]!) + 1,
    limit: (type) => (passed.includes(type) ? limits.passed : limits.inspected),
    free: Math.min(limits.inspected.value, limits.passed.value),
  };
}
