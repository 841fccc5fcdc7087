// Functions of the database by what is known of them without their bodies.
// Refuses to know: bodies.

import type { Routine } from '../catalogue/code.ts';

/** Libraries that come with PostgreSQL, or are widely installed, whose functions run no SQL and read no table. */
const LIBRARIES = new Set(
  `_int auth_delay bloom btree_gin btree_gist citext cube dict_int dict_xsyn earthdistance fuzzystrmatch hstore
  insert_username isn lo ltree moddatetime passwordcheck pg_buffercache pg_prewarm pg_stat_statements pg_trgm pgcrypto
  plpgsql seg sslinfo tcn tsm_system_rows tsm_system_time unaccent uuid-ossp vector`.split(/\s+/),
);

/** Why nobody can tell what it does, where it is in C; undefined where that is harmless, or its body tells. */
export function whyUnknown({ language, library, immutable }: Routine): string | undefined {
  if (language !== 'c' || immutable) return undefined;
  const name = library?.replace(/^.*\//, '').replace(/(?:-\d+)?\.(?:so|dll|dylib)$/, '') ?? '';
  return LIBRARIES.has(name) ? undefined : `it is in the library ${name}`;
}
