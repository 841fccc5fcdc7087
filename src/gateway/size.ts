// A size as a configuration has it: a number of bytes, or `64KiB`, `1MB`. Refuses to know: what has that size.

import { z } from 'zod';

const UNITS: Record<string, number> = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

export const size = z
  .union([z.int().min(0), z.string().regex(/^\d+ ?(B|KB|MB|GB|KiB|MiB|GiB)$/, 'expected a size such as 64KiB or 1MiB')])
  .transform((value) => {
    if (typeof value === 'number') return value;
    const [, amount, unit] = /^(\d+) ?(\w+)$/.exec(value)!;
    return Number(amount) * UNITS[unit!]!;
  });
