// What each part of a report is called, what it is, and which columns it has. Refuses to know: how rows are found.

import type { SectionName } from './types.ts';

export interface TableForm {
  readonly title: string;
  readonly about: string;
  /** Key of a row and its heading. */
  readonly columns: readonly (readonly [string, string])[];
}

const WHEN = ['at', 'When (UTC)'] as const;
const WHO = ['who', 'Who'] as const;
const WHERE = ['connection', 'Connection'] as const;
const SESSION = ['session', 'Session'] as const;
const ENTRY = ['entry', 'Entry'] as const;

export const TABLES: Readonly<Record<SectionName, TableForm>> = {
  access: {
    title: 'Who had access, and by which version of the policy',
    about:
      'Each principal that logged in or came to a connection until the end of the span, with the groups that it had when it was last seen, asked of each version that was in force. Lines without access in any version are left out. Sessions: in this span.',
    columns: [
      WHO,
      ['issuer', 'By'],
      ['kind', 'Kind'],
      ['groups', 'Groups'],
      WHERE,
      ['access', 'Access'],
      ['versions', 'Versions'],
      ['sessions', 'Sessions'],
    ],
  },
  lines: {
    title: 'The lines that gave access',
    about:
      'As the documents in force have them. Whoever they name had access, also who never came. The documents themselves are in the log, in the entries named.',
    columns: [['version', 'Version'], ['from', 'From'], ['to', 'To'], ['line', 'Line'], ENTRY],
  },
  grants: {
    title: 'Grants, lifted masks, broken glass',
    about: 'Access for a time: asked for and approved by others, taken back, or taken without approval (break-glass).',
    columns: [
      WHEN,
      ['action', 'What'],
      WHO,
      WHERE,
      ['masks', 'Masks'],
      ['reason', 'Reason'],
      ['by', 'Decided'],
      ['until', 'Until'],
      ENTRY,
    ],
  },
  sample: {
    title: 'Sampled sessions',
    about:
      'Chosen by the seed: the sessions with the smallest SHA-256 of the seed, a line break and the session’s id, of all whose recordings were sealed. Their recordings are in this bundle; the digest is the one in the log’s entry.',
    columns: [
      ['began', 'Began (UTC)'],
      SESSION,
      WHO,
      WHERE,
      ['reason', 'Reason'],
      ['policy', 'Policy'],
      ['lines', 'Lines'],
      ['digest', 'Digest'],
      ['sealed', 'Entry'],
    ],
  },
  sessions: {
    title: 'Sessions',
    about: 'Each session that ran in the span, in the order in which their recordings were sealed.',
    columns: [
      ['began', 'Began (UTC)'],
      SESSION,
      WHO,
      WHERE,
      ['client', 'Client'],
      ['via', 'Way in'],
      ['reason', 'Reason'],
      ['grant', 'Grant'],
      ['policy', 'Policy'],
      ['letIn', 'Entry'],
    ],
  },
  reviews: {
    title: 'Reviews and their decisions',
    about: 'What was held or asked for, who decided what and why.',
    columns: [
      ['asked', 'Asked (UTC)'],
      ['review', 'Review'],
      ['of', 'Of'],
      WHO,
      WHERE,
      ['rule', 'Rule'],
      ['reason', 'Reason'],
      ['state', 'Outcome'],
      ['took', 'Took'],
      ['decisions', 'Decisions'],
      ENTRY,
    ],
  },
  denied: {
    title: 'Denied operations',
    about: 'What rules refused and reviews did not let through: none of it reached the target.',
    columns: [
      WHEN,
      WHO,
      WHERE,
      ['rule', 'Rule'],
      ['text', 'Statement'],
      ['message', 'Told'],
      SESSION,
      ['operation', 'No.'],
    ],
  },
  refused: {
    title: 'Refused at the door',
    about:
      'Logins and sessions that were refused. At most 20 a minute of one address or principal are entries; the next entry has the number of those left out.',
    columns: [
      WHEN,
      ['what', 'What'],
      WHO,
      ['address', 'From'],
      WHERE,
      ['code', 'Why'],
      ['leftOut', 'Left out before'],
      ENTRY,
    ],
  },
  policies: {
    title: 'Changes of the policy',
    about:
      'Each version that came into force, and each that was refused. Who changed and approved it is what the document says of itself (change:); the gateway does not check that. Empty: it does not say.',
    columns: [
      WHEN,
      ['what', 'What'],
      ['version', 'Version (SHA-256)'],
      ['before', 'Before'],
      ['changedBy', 'Changed by'],
      ['approvedBy', 'Approved by'],
      ['reference', 'Reference'],
      ['problem', 'Problem'],
      ENTRY,
    ],
  },
  changes: {
    title: 'Operations that change a target',
    about:
      'Statements and requests that create, alter, remove, or change rights, with the verdict and the review that let them through.',
    columns: [
      WHEN,
      WHO,
      WHERE,
      ['does', 'Does'],
      ['text', 'Statement'],
      ['verdict', 'Verdict'],
      ['rule', 'Rule'],
      ['review', 'Review'],
      SESSION,
      ['operation', 'No.'],
    ],
  },
  masks: {
    title: 'Masked columns, and what was shown instead',
    about: 'Results in which a column was masked, by mask; and those in which it was shown because of an exemption.',
    columns: [WHERE, ['mask', 'Mask'], ['column', 'Column'], ['what', 'What'], WHO, ['results', 'Results']],
  },
  exceptions: {
    title: 'Exceptions',
    about:
      'Failures, best-effort recordings, interrupted and missing recordings, broken glass, refused configurations.',
    columns: [WHEN, ['what', 'What'], WHO, WHERE, SESSION, ['told', 'Told'], ENTRY],
  },
  administration: {
    title: 'Administration',
    about: 'Starts and stops, users and accounts, revocations, tokens, sessions that somebody ended, keys of the log.',
    columns: [WHEN, ['kind', 'Kind'], ['by', 'By'], ['told', 'Told'], ENTRY],
  },
  reading: {
    title: 'Who read the record',
    about: 'Recordings looked at, searches, copies and reports taken. Reading the record is access too.',
    columns: [WHEN, ['what', 'What'], ['by', 'By'], ['told', 'Told'], ENTRY],
  },
};
