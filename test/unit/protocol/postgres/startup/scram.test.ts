import { describe, expect, it } from 'vitest';
import { md5Password } from '../../../../../src/protocol/postgres/startup/login.ts';
import { digestOf, prepared, scram } from '../../../../../src/protocol/postgres/startup/scram.ts';

// RFC 7677 §3, the example exchange.
const NONCE = 'rOprNGfwEbeRWgbNEkqO';
const SERVER_FIRST = 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096';

describe('SCRAM-SHA-256', () => {
  it("makes RFC 7677's example exchange", async () => {
    const exchange = scram('pencil', undefined, NONCE, 'user');
    expect(exchange.mechanism).toBe('SCRAM-SHA-256');
    expect(exchange.first).toBe('n,,n=user,r=rOprNGfwEbeRWgbNEkqO');
    expect(await exchange.final(SERVER_FIRST)).toBe(
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
    );
    exchange.verify('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
  });

  it('makes the same proof from the cache', async () => {
    const proofs = [];
    for (let i = 0; i < 2; i++) proofs.push(await scram('pencil', undefined, NONCE, 'user').final(SERVER_FIRST));
    expect(proofs[0]).toBe(proofs[1]);
  });

  it('refuses a server that does not know the password', async () => {
    for (const final of ['v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=', 'v=', '', 'e=other-error']) {
      const exchange = scram('pencil', undefined, NONCE, 'user');
      await exchange.final(SERVER_FIRST);
      expect(() => exchange.verify(final)).toThrow(expect.objectContaining({ code: 'target_refused_credentials' }));
    }
  });

  it('refuses a nonce that is not its own continued, no salt, and iterations that are absurd', async () => {
    for (const first of [
      'r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
      `r=${NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`,
      `r=${NONCE}x,s=,i=4096`,
      `r=${NONCE}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0`,
      `r=${NONCE}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4000000000`,
    ]) {
      await expect(scram('pencil', undefined, NONCE).final(first)).rejects.toMatchObject({
        code: 'target_refused_credentials',
      });
    }
  });

  it('binds to the channel where it can', async () => {
    const exchange = scram('pencil', Buffer.from('digest'), NONCE);
    expect(exchange.mechanism).toBe('SCRAM-SHA-256-PLUS');
    expect(exchange.first).toBe(`p=tls-server-end-point,,n=,r=${NONCE}`);
    const bound = Buffer.from('p=tls-server-end-point,,digest').toString('base64');
    expect(await exchange.final(SERVER_FIRST)).toContain(`c=${bound},`);
  });

  it('takes the hash of the signature for the binding, SHA-256 for the broken ones, none where none is defined', () => {
    expect(
      [
        'sha256WithRSAEncryption',
        'ecdsa-with-SHA384',
        'RSA-SHA512',
        'sha1WithRSAEncryption',
        'md5WithRSAEncryption',
        'ED25519',
        'RSASSA-PSS',
      ].map(digestOf),
    ).toEqual(['sha256', 'sha384', 'sha512', 'sha256', 'sha256', undefined, undefined]);
  });

  it('prepares a password as SASLprep does where it is not plain ASCII', () => {
    expect(['a b~', 'a\u00a0b', 'a\u00adb', '\u2168'].map(prepared)).toEqual(['a b~', 'a b', 'ab', 'IX']);
  });
});

describe('md5', () => {
  it('is as PostgreSQL computes it', () => {
    expect(md5Password('secret', 'bob', Buffer.from([1, 2, 3, 4]))).toBe('md5f21dfe33ff3a9e03dbc3e008251fe5cc');
  });
});
