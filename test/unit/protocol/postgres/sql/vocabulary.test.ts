import { describe, expect, it } from 'vitest';
import { createAnalyser } from '../../../../../src/protocol/postgres/sql/analyser.ts';
import { VOCABULARY } from '../../../../../src/protocol/postgres/sql/vocabulary.ts';
import { dangerSet } from '../../../../../src/session/policy/danger.ts';

const analyser = await createAnalyser();
const danger = dangerSet(VOCABULARY);
const found = (sql: string) =>
  analyser.analyse(Buffer.from(sql)).facts.flatMap((facts) => danger.elements(facts).map(({ name }) => name));

describe('the dangerous set', () => {
  it.each([
    "select cron.schedule('x', '* * * * *', 'drop table t')",
    "select aws_s3.query_export_to_s3('select 1', 'b')",
    "select * from aws_lambda.invoke('x', '{}')",
    "select net.http_post('https://example.com', '{}')",
    "select content from http_get('https://example.com')",
    "select extensions.http_post('https://example.com', '', '')",
    "select lo_import('/etc/passwd')",
    "select pg_read_binary_file('/etc/passwd')",
    "select * from dblink('dbname=app', 'select 1') as t (a int)",
    "select * from heap_page_items(get_raw_page('t', 0))",
    "select heap_force_kill('t', array['(0,1)']::tid[])",
    "select * from pg_get_wal_records_info('0/1', '0/2')",
    "select * from pg_logical_slot_peek_changes('s', null, null)",
    "select query_to_xml('select 1', true, false, '')",
    "select database_to_xml(true, false, '')",
    "select * from xpath_table('a', 'b', 'c', 'd', 'e') as t (x int)",
    "select * from crosstab('select 1') as t (x int)",
    "select * from ts_stat('select v from t')",
    "select ts_rewrite('a'::tsquery, 'select t, s from aliases')",
    "select graphql.resolve('{ t { id } }')",
    "select * from pgr_dijkstra('select * from edges', 1, 2)",
    "select dropgeometrytable('t')",
    "select pg_file_write('x', 'y', false)",
    'create extension plpython3u',
    'create server s foreign data wrapper postgres_fdw',
    "create function f() returns int language plperlu as 'x'",
    "create function f() returns void language sql as 'select pg_terminate_backend(1)'",
    "create function f() returns void language plpgsql as 'begin perform pg_terminate_backend(1); end'",
  ])('%s', (sql) => {
    const { facts } = analyser.analyse(Buffer.from(sql));
    expect(found(sql).length + facts.filter((part) => part.opaque !== undefined).length).toBeGreaterThan(0);
  });

  it.each([
    'select pg_relation_size(1)',
    "select pgstattuple('t')",
    'select schedule_of(1)',
    'select count(*), lower(a) from http_requests',
    "select pg_get_viewdef('v'::regclass)",
  ])('not %s', (sql) => expect(found(sql)).toEqual([]));
});
