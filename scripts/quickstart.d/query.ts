// A stand-in for psql where there is none: runs one statement by node-postgres against the PG* variables, prints rows.

import pg from 'pg';

const client = new pg.Client();
client.on('notice', (notice) => console.error(`NOTICE:  ${notice.message}`));
try {
  await client.connect();
  const result = await client.query(process.argv[2] ?? 'select 1');
  const names = result.fields.map((field) => field.name);
  if (names.length > 0) console.log(names.join(' | '));
  for (const row of result.rows as Record<string, unknown>[]) console.log(names.map((name) => row[name]).join(' | '));
  console.log(names.length > 0 ? `(${result.rows.length} rows)` : `${result.command} ${result.rowCount}`);
} catch (error) {
  const { message, hint, detail } = error as pg.DatabaseError;
  console.error(`ERROR:  ${message}`);
  if (detail) console.error(`DETAIL:  ${detail}`);
  if (hint) console.error(`HINT:  ${hint}`);
  process.exitCode = 1;
} finally {
  await client.end().catch(() => {});
}
