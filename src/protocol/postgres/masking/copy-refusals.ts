// Why a COPY … TO STDOUT is refused where masks apply. Refuses to know: how its columns are followed.

import { peerError } from '../../../core/errors.ts';

export function foreignEncoding(encoding: string) {
  return peerError(
    'denied',
    `COPY TO STDOUT with ENCODING '${encoding}' is refused: masks apply here, and they read UTF-8`,
    {
      fix: 'leave ENCODING out, and convert what comes',
    },
  );
}

export function unknownCopy() {
  return peerError(
    'denied',
    'COPY TO STDOUT is refused: where its columns come from cannot be known, and masks apply here',
    {
      fix: 'name the columns: COPY table (a, b) TO STDOUT, or COPY (SELECT a, b FROM table) TO STDOUT',
    },
  );
}
