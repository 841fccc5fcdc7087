import { describe, expect, it } from 'vitest';
import { readPlpgsql } from '../../../../../src/protocol/postgres/sql/plpgsql.ts';

describe('the words of a body in PL/pgSQL', () => {
  it('are its names, what it may do, and what it calls', () => {
    const body = readPlpgsql(`declare r "Odd Name"%rowtype; begin
      select * into r from app.t where x = 'delete from hidden' /* drop /* nested */ */; -- truncate
      perform f(1), other.g(r), lower($$ execute $$); new.a := a ### b; return new; end`);
    expect(body.opaque).toBeUndefined();
    expect(body.does).toEqual(['select']);
    expect([...body.names]).toEqual(expect.arrayContaining(['Odd Name', 'app', 't', 'f', 'g', 'a']));
    expect([...body.names]).not.toEqual(expect.arrayContaining(['hidden']));
    expect(body.calls).toEqual([['f'], ['other', 'g'], ['lower']]);
    expect(body.operators).toContain('###');
  });

  it.each([
    ['begin execute $1; end', 'text as SQL'],
    ['begin return query EXECUTE format(x); end', 'text as SQL'],
    ['begin EXE/**/CUTE x; end', undefined],
    ['begin "execute" := 1; end', undefined],
    ["begin perform 'execute'; end", undefined],
    ["begin perform E'\\'; execute x; --'; end", undefined],
    ["begin perform '\\'; end", 'told apart'],
    ["begin perform 'x; end", 'told apart'],
    ['begin /* ; end', 'told apart'],
    ["do 'x'", 'block'],
    ['begin insert into t values (1) on conflict do nothing; end', undefined],
    ["begin perform set_config('search_path', 'x', false); end", 'parameters'],
    ['begin set local search_path = x; end', 'names are read'],
    ['begin set session role x; end', 'names are read'],
    ['begin update t set role = 1; end', undefined],
    ['begin reset all; end', 'names are read'],
    ["begin copy t to '/x'; end", 'copies'],
    ['begin perform U&"s"; end', 'Unicode'],
  ])('%s', (text, why) => {
    const { opaque } = readPlpgsql(text);
    if (why === undefined) expect(opaque).toBeUndefined();
    else expect(opaque).toContain(why);
  });

  it('does not take a lock for an update', () => {
    expect(readPlpgsql('begin perform 1 from t for update; perform 1 from t for no key update; end').does).toEqual([
      'select',
    ]);
    expect(readPlpgsql('begin update t set a = 1; end').does).toEqual(['update']);
  });
});
