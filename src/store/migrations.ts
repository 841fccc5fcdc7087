// How the tables came to be: each step runs once, in order, in a transaction. A step that was released is never edited.
// Refuses to know: which database it is, beyond what kysely's schema builder says for all.

import { type Kysely, sql, type Transaction } from 'kysely';
import { userError } from '../core/errors.ts';
import type { Tables } from './tables.ts';

interface Migration {
  readonly name: string;
  up(db: Transaction<Tables>): Promise<void>;
}

const migrations: readonly Migration[] = [
  { name: '0001-identity', up: identity },
  { name: '0002-sessions', up: sessions },
  { name: '0003-approvals', up: approvals },
  { name: '0004-variants', up: variants },
  { name: '0005-deliveries', up: deliveries },
  { name: '0006-unmask', up: unmask },
  { name: '0007-gateways', up: gateways },
  { name: '0008-best-effort', up: bestEffort },
  { name: '0009-budgets', up: budgets },
  { name: '0010-custody', up: custody },
  { name: '0011-exact', up: exact },
];

/**
 * Brings the database up to this program. Two processes may do so at once: `lock`, taken first in the same transaction,
 * makes one wait; left out (SQLite), a first write does. Errors: `store_failed` for a newer one.
 */
export async function migrate(db: Kysely<Tables>, now: number, lock?: (db: Transaction<Tables>) => Promise<void>) {
  if (lock === undefined) {
    await createMigrations(db);
    if ((await applied(db)).length === migrations.length) return;
  }
  await db.transaction().execute(async (transaction) => {
    if (lock === undefined) {
      // A write first: whoever else migrates waits for it, and then finds nothing left to do.
      await sql`delete from schema_migrations where name = ''`.execute(transaction);
    } else {
      await lock(transaction);
      await createMigrations(transaction);
    }
    const done = await applied(transaction);
    for (const migration of migrations) {
      if (done.includes(migration.name)) continue;
      await migration.up(transaction);
      await transaction.insertInto('schema_migrations').values({ name: migration.name, at: now }).execute();
    }
  });
}

async function createMigrations(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('schema_migrations')
    .ifNotExists()
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .execute();
}

async function applied(db: Kysely<Tables>): Promise<readonly string[]> {
  const rows = await db.selectFrom('schema_migrations').select('name').execute();
  const unknown = rows.find((row) => !migrations.some((migration) => migration.name === row.name));
  if (unknown !== undefined) {
    throw userError('store_failed', `cannot use the store: a newer hoopctl has changed it ("${unknown.name}")`, {
      fix: 'run the newer version of hoopctl on this data directory',
    });
  }
  return rows.map((row) => row.name);
}

async function identity(db: Transaction<Tables>): Promise<void> {
  await db.schema
    .createTable('users')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('email', 'text')
    .addColumn('groups', 'text', (column) => column.notNull())
    .addColumn('password', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('service_accounts')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('groups', 'text', (column) => column.notNull())
    .addColumn('description', 'text')
    .addColumn('secret', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('rotated_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('revocations')
    .addColumn('issuer', 'text', (column) => column.notNull())
    .addColumn('subject', 'text', (column) => column.notNull())
    .addColumn('reason', 'text')
    .addColumn('revoked_by', 'text', (column) => column.notNull())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('revocations_key', ['issuer', 'subject'])
    .execute();
  await db.schema
    .createTable('revoked_tokens')
    .addColumn('jti', 'text', (column) => column.primaryKey())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('oidc')
    .addColumn('model', 'text', (column) => column.notNull())
    .addColumn('id', 'text', (column) => column.notNull())
    .addColumn('payload', 'text', (column) => column.notNull())
    .addColumn('grant_id', 'text')
    .addColumn('user_code', 'text')
    .addColumn('uid', 'text')
    .addColumn('account_id', 'text')
    .addColumn('consumed_at', 'bigint')
    .addColumn('expires_at', 'bigint')
    .addPrimaryKeyConstraint('oidc_key', ['model', 'id'])
    .execute();
  for (const column of ['grant_id', 'user_code', 'uid', 'account_id', 'expires_at']) {
    await db.schema.createIndex(`oidc_${column}`).on('oidc').column(column).execute();
  }
  await db.schema
    .createTable('key_values')
    .addColumn('key', 'text', (column) => column.primaryKey())
    .addColumn('value', 'text', (column) => column.notNull())
    .addColumn('expires_at', 'bigint')
    .execute();
  await db.schema
    .createTable('log_outbox')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('fields', 'text', (column) => column.notNull())
    .execute();
}

async function sessions(db: Transaction<Tables>): Promise<void> {
  const count = (column: import('kysely').ColumnDefinitionBuilder) => column.notNull().defaultTo(0);
  await db.schema
    .createTable('sessions')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('issuer', 'text', (column) => column.notNull())
    .addColumn('subject', 'text', (column) => column.notNull())
    .addColumn('email', 'text')
    .addColumn('principal', 'text', (column) => column.notNull())
    .addColumn('connection', 'text', (column) => column.notNull())
    .addColumn('protocol', 'text', (column) => column.notNull())
    .addColumn('client', 'text', (column) => column.notNull())
    .addColumn('via', 'text')
    .addColumn('reason', 'text')
    .addColumn('grant_id', 'text')
    .addColumn('started_at', 'bigint', (column) => column.notNull())
    .addColumn('ended_at', 'bigint')
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('end_code', 'text')
    .addColumn('end_message', 'text')
    .addColumn('operations', 'bigint', count)
    .addColumn('denied', 'bigint', count)
    .addColumn('from_client', 'bigint', count)
    .addColumn('to_client', 'bigint', count)
    .addColumn('bytes', 'bigint', count)
    .addColumn('lines', 'bigint')
    .addColumn('digest', 'text')
    .addColumn('sealed', 'integer', count)
    .execute();
  await db.schema.createIndex('sessions_started').on('sessions').column('started_at').execute();
  await db.schema.createIndex('sessions_state').on('sessions').columns(['state', 'started_at']).execute();
  await db.schema.createIndex('sessions_owner').on('sessions').columns(['issuer', 'subject', 'started_at']).execute();
}

async function approvals(db: Transaction<Tables>): Promise<void> {
  await db.schema
    .createTable('reviews')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('issuer', 'text', (column) => column.notNull())
    .addColumn('subject', 'text', (column) => column.notNull())
    .addColumn('principal', 'text', (column) => column.notNull())
    .addColumn('connection', 'text', (column) => column.notNull())
    .addColumn('session', 'text')
    .addColumn('operation', 'bigint')
    .addColumn('rule', 'text')
    .addColumn('message', 'text')
    .addColumn('body', 'text', (column) => column.notNull())
    .addColumn('params', 'text')
    .addColumn('digest', 'text', (column) => column.notNull())
    .addColumn('policy', 'text', (column) => column.notNull())
    .addColumn('reviewers', 'text', (column) => column.notNull())
    .addColumn('reason', 'text')
    .addColumn('grant_ms', 'bigint')
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .addColumn('decided_at', 'bigint')
    .addColumn('outcome', 'text')
    .addColumn('changed_at', 'bigint', (column) => column.notNull())
    .addColumn('revision', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('reviews_state').on('reviews').columns(['state', 'created_at']).execute();
  await db.schema.createIndex('reviews_changed').on('reviews').column('changed_at').execute();
  await db.schema.createIndex('reviews_session').on('reviews').column('session').execute();
  await db.schema
    .createTable('review_decisions')
    .addColumn('review', 'text', (column) => column.notNull())
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('verdict', 'text', (column) => column.notNull())
    .addColumn('person', 'text', (column) => column.notNull())
    .addColumn('email', 'text')
    .addColumn('decided_by', 'text', (column) => column.notNull())
    .addColumn('reason', 'text')
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('review_decisions_key', ['review', 'position'])
    .execute();
  await db.schema
    .createTable('grants')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('issuer', 'text', (column) => column.notNull())
    .addColumn('subject', 'text', (column) => column.notNull())
    .addColumn('actor', 'text')
    .addColumn('principal', 'text', (column) => column.notNull())
    .addColumn('connection', 'text', (column) => column.notNull())
    // One review gives one grant, whoever settles it.
    .addColumn('review', 'text', (column) => column.notNull().unique())
    .addColumn('starts_at', 'bigint', (column) => column.notNull())
    .addColumn('ends_at', 'bigint', (column) => column.notNull())
    .addColumn('revoked_at', 'bigint')
    .addColumn('revoked_by', 'text')
    .addColumn('revoked_reason', 'text')
    .execute();
  await db.schema.createIndex('grants_owner').on('grants').columns(['issuer', 'subject', 'connection']).execute();
  await db.schema.createIndex('grants_revoked').on('grants').column('revoked_at').execute();
}

async function variants(db: Transaction<Tables>): Promise<void> {
  for (const name of ['shape', 'rules', 'touches', 'standing'] as const) {
    await db.schema.alterTable('reviews').addColumn(name, 'text').execute();
  }
  await db.schema.alterTable('reviews').addColumn('standing_until', 'bigint').execute();
  await db.schema.createIndex('reviews_standing').on('reviews').column('standing_until').execute();
  await db.schema.alterTable('review_decisions').addColumn('variant', 'text').execute();
  await db.schema
    .alterTable('grants')
    .addColumn('break_glass', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
}

async function deliveries(db: Transaction<Tables>): Promise<void> {
  await db.schema
    .createTable('deliveries')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('webhook', 'text', (column) => column.notNull())
    .addColumn('event', 'text', (column) => column.notNull())
    .addColumn('body', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('next_at', 'bigint', (column) => column.notNull())
    .addColumn('error', 'text')
    .execute();
  await db.schema.createIndex('deliveries_due').on('deliveries').columns(['webhook', 'state', 'next_at']).execute();
}

async function unmask(db: Transaction<Tables>): Promise<void> {
  for (const table of ['reviews', 'grants'] as const) {
    await db.schema.alterTable(table).addColumn('masks', 'text').execute();
  }
  await db.schema.alterTable('sessions').addColumn('exempt', 'text').execute();
  await db.schema.createIndex('grants_started').on('grants').column('starts_at').execute();
}

async function gateways(db: Transaction<Tables>): Promise<void> {
  await db.schema
    .createTable('gateways')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('instance', 'text', (column) => column.notNull())
    .addColumn('host', 'text', (column) => column.notNull())
    .addColumn('url', 'text', (column) => column.notNull())
    .addColumn('version', 'text', (column) => column.notNull())
    .addColumn('started_at', 'bigint', (column) => column.notNull())
    .addColumn('seen_at', 'bigint', (column) => column.notNull())
    .addColumn('over_at', 'bigint')
    .execute();
  for (const name of ['gateway', 'kill_by', 'kill_reason'] as const) {
    await db.schema.alterTable('sessions').addColumn(name, 'text').execute();
  }
  await db.schema.alterTable('reviews').addColumn('gateway', 'text').execute();
  await db.schema.alterTable('log_outbox').addColumn('gateway', 'text').execute();
  await db.schema
    .createTable('signing_keys')
    .addColumn('kid', 'text', (column) => column.primaryKey())
    .addColumn('gateway', 'text', (column) => column.notNull())
    .addColumn('purpose', 'text', (column) => column.notNull())
    .addColumn('jwk', 'text', (column) => column.notNull())
    .addColumn('verifies_until', 'bigint', (column) => column.notNull())
    .execute();
}

async function bestEffort(db: Transaction<Tables>): Promise<void> {
  await db.schema.alterTable('sessions').addColumn('record', 'text').execute();
}

async function budgets(db: Transaction<Tables>): Promise<void> {
  const key = ['day', 'principal', 'rule'] as const;
  await db.schema
    .createTable('budgets')
    .addColumn('day', 'integer', (column) => column.notNull())
    .addColumn('principal', 'text', (column) => column.notNull())
    .addColumn('rule', 'text', (column) => column.notNull())
    .addColumn('rows', 'bigint', (column) => column.notNull())
    .addColumn('bytes', 'bigint', (column) => column.notNull())
    .addColumn('statements', 'bigint', (column) => column.notNull())
    .addColumn('time_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('budgets_key', [...key])
    .execute();
  await db.schema
    .createTable('budget_values')
    .addColumn('day', 'integer', (column) => column.notNull())
    .addColumn('principal', 'text', (column) => column.notNull())
    .addColumn('rule', 'text', (column) => column.notNull())
    .addColumn('hash', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('budget_values_key', [...key, 'hash'])
    .execute();
}

async function custody(db: Transaction<Tables>): Promise<void> {
  for (const name of ['labels', 'stored', 'purge_state', 'purge'] as const) {
    await db.schema.alterTable('sessions').addColumn(name, 'text').execute();
  }
  await db.schema.createIndex('sessions_stored').on('sessions').columns(['stored', 'sealed', 'ended_at']).execute();
  await db.schema
    .createIndex('sessions_aged')
    .on('sessions')
    .columns(['purge_state', 'connection', 'ended_at'])
    .execute();
  await db.schema
    .createTable('holds')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('value', 'text', (column) => column.notNull())
    .addColumn('reason', 'text', (column) => column.notNull())
    .addColumn('held_by', 'text', (column) => column.notNull())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('released_at', 'bigint')
    .addColumn('released_by', 'text')
    .execute();
}

async function exact(db: Transaction<Tables>): Promise<void> {
  for (const name of ['forms', 'bytes', 'exact'] as const) {
    await db.schema.alterTable('reviews').addColumn(name, 'text').execute();
  }
}
