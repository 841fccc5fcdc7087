// `hoopctl psql NAME [ARGS]`.

import { shorthand } from '../shorthand.ts';

export const command = shorthand('psql');
