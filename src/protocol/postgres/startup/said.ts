// What the server says of its own accord during a login (triggers on login raise notices): on record, and without what masks
// may be about. Refuses to know: how a login goes.

import type { Session } from '../../contract.ts';
import { scrub } from '../machine/scrub.ts';
import { told } from '../machine/told.ts';
import { decodeFields, encodeFields } from '../wire/notice.ts';
import { Back } from '../wire/types.ts';

/** Notices of one login that are on record. */
const NOTICES = 100;

export const masksApply = ({ masking }: Session): boolean => masking.columns || masking.values;

/** The messages as the client may have them. */
export function saidAtStart(session: Session, messages: readonly Buffer[]): Buffer[] {
  const masked = masksApply(session);
  let noted = 0;
  return messages.map((message) => {
    if (message[0] !== Back.NoticeResponse) return message;
    const all = decodeFields(message, 0, message.length);
    const fields = masked ? scrub(all) : all;
    if (noted < NOTICES) {
      noted++;
      session.note('notice', {
        ...{ severity: fields.get('V') ?? fields.get('S') ?? '', ...told(fields) },
        ...(noted === NOTICES ? { last: true } : {}),
      });
    }
    return masked ? encodeFields(Back.NoticeResponse, fields) : message;
  });
}
