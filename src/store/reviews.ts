// Reviews and their decisions. A change holds the row's lock from before it is read until it is written, so that two
// gateways on one store never count the same review differently. Refuses to know: what a review allows.

import type { Clock } from '../core/clock.ts';
import { userError } from '../core/errors.ts';
import type {
  Review,
  ReviewChange,
  ReviewDecision,
  ReviewFilter,
  ReviewProgress,
  ReviewState,
  ReviewStore,
  Standing,
} from '../session/approvals/types.ts';
import type { Principal } from '../session/identity/principal.ts';
import type { Reviewers } from '../session/policy/types.ts';
import type { Announcements } from './announcements.ts';
import { asking, type Database, isTaken, json, optional, orNull, parsed, storeError } from './database.ts';
import { grantToRow } from './grants.ts';
import type { ReviewDecisionRow, ReviewRow } from './tables.ts';

const DEFAULT_LIMIT = 1000;
const ENDED: readonly ReviewState[] = ['denied', 'cancelled', 'expired'];

export class Reviews implements ReviewStore {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #tell: Announcements['tell'];

  constructor(db: Database, clock: Clock, tell: Announcements['tell']) {
    this.#db = db;
    this.#clock = clock;
    this.#tell = tell;
  }

  async add(review: Review): Promise<void> {
    try {
      await this.#db.insertInto('reviews').values(toRow(review, this.#clock.now())).execute();
      this.#tell('reviews');
    } catch (thrown) {
      if (!isTaken(thrown)) throw storeError(`keep review ${review.id}`, thrown);
      throw userError('conflict', `cannot keep review "${review.id}": there is one of that id`);
    }
  }

  get(id: string): Promise<Review | undefined> {
    return asking(`look up review "${id}"`, () => load(this.#db, id));
  }

  #matching(filter: ReviewFilter) {
    const { state, session, requester, changedAfter, among = [], endedAmong = [], gateway, limit } = filter;
    const { expiredAt, expiresAfter, standingAt } = filter;
    let query = this.#db.selectFrom('reviews');
    if (state !== undefined) query = query.where('state', '=', state);
    if (session !== undefined) query = query.where('session', '=', session);
    if (requester !== undefined) {
      const at = requester.indexOf('|');
      query = query.where('issuer', '=', requester.slice(0, at)).where('subject', '=', requester.slice(at + 1));
    }
    if (changedAfter !== undefined) {
      query = query.where(({ or, eb }) =>
        or([
          eb('changed_at', '>', changedAfter),
          ...(among.length === 0 ? [] : [eb('id', 'in', among)]),
          ...(endedAmong.length === 0 ? [] : [eb('id', 'in', endedAmong).and('state', 'in', ENDED)]),
        ]),
      );
    }
    if (gateway !== undefined) {
      query = query.where(({ or, eb }) => or([eb('gateway', '=', gateway), eb('gateway', 'is', null)]));
    }
    if (expiredAt !== undefined) query = query.where('expires_at', '<=', expiredAt);
    if (expiresAfter !== undefined) query = query.where('expires_at', '>', expiresAfter);
    if (standingAt !== undefined) query = query.where('state', '=', 'used').where('standing_until', '>', standingAt);
    return query
      .orderBy('created_at', 'desc')
      .orderBy('id')
      .limit(limit ?? DEFAULT_LIMIT);
  }

  glance(filter: ReviewFilter = {}): Promise<readonly ReviewProgress[]> {
    return asking('look at the reviews', async () => {
      const rows = await this.#matching(filter)
        .select(['id', 'state'])
        .select(({ selectFrom }) =>
          selectFrom('review_decisions')
            .whereRef('review_decisions.review', '=', 'reviews.id')
            .select(({ fn }) => fn.countAll<number>().as('count'))
            .as('decisions'),
        )
        .execute();
      return rows.map(({ id, state, decisions }) => ({
        id,
        state: state as ReviewState,
        decisions: Number(decisions ?? 0),
      }));
    });
  }

  list(filter: ReviewFilter = {}): Promise<readonly Review[]> {
    return asking('list the reviews', async () => {
      const rows = await this.#matching(filter).selectAll().execute();
      const decisions = await decisionsOf(
        this.#db,
        rows.map((row) => row.id),
      );
      return rows.map((row) => toReview(row, decisions.get(row.id) ?? []));
    });
  }

  async change(id: string, decide: (review: Review) => ReviewChange | undefined): Promise<Review> {
    const changed = await asking(`change review "${id}"`, () =>
      this.#db.transaction().execute(async (transaction) => {
        // Written before it is read: this takes the lock, in SQLite as in PostgreSQL.
        await transaction
          .updateTable('reviews')
          .set(({ eb }) => ({ revision: eb('revision', '+', 1) }))
          .where('id', '=', id)
          .execute();
        const before = await load(transaction, id);
        if (before === undefined) {
          throw userError('not_found', `there is no review "${id}"`, { fix: 'run hoopctl reviews ls' });
        }
        const change = decide(before);
        if (change === undefined) return before;
        const { decision, grant, state, outcome, decidedAt, standing } = change;
        const values: Partial<ReviewRow> = {
          ...{ state, outcome, decided_at: decidedAt, changed_at: this.#clock.now() },
          ...(standing === undefined ? {} : { standing: standing.kind, standing_until: standing.until }),
        };
        await transaction.updateTable('reviews').set(values).where('id', '=', id).execute();
        if (decision !== undefined) {
          const row = decisionToRow(id, before.decisions.length, decision);
          await transaction.insertInto('review_decisions').values(row).execute();
        }
        if (grant !== undefined) await transaction.insertInto('grants').values(grantToRow(grant)).execute();
        return (await load(transaction, id))!;
      }),
    );
    this.#tell(changed.kind === 'grant' ? 'grants' : 'reviews');
    return changed;
  }
}

async function load(db: Database, id: string): Promise<Review | undefined> {
  const row = await db.selectFrom('reviews').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) return undefined;
  return toReview(row, (await decisionsOf(db, [id])).get(id) ?? []);
}

async function decisionsOf(db: Database, ids: readonly string[]): Promise<Map<string, ReviewDecision[]>> {
  const found = new Map<string, ReviewDecision[]>();
  if (ids.length === 0) return found;
  const rows = await db
    .selectFrom('review_decisions')
    .selectAll()
    .where('review', 'in', ids)
    .orderBy('review')
    .orderBy('position')
    .execute();
  for (const row of rows) {
    const list = found.get(row.review) ?? [];
    found.set(row.review, list);
    list.push(toDecision(row));
  }
  return found;
}

function toRow(review: Review, now: number): ReviewRow {
  return {
    id: review.id,
    kind: review.kind,
    state: review.state,
    issuer: review.principal.issuer,
    subject: review.principal.subject,
    principal: JSON.stringify(review.principal),
    connection: review.connection,
    session: orNull(review.session),
    operation: orNull(review.operation),
    rule: orNull(review.rule),
    message: orNull(review.message),
    // As JSON: a text with a NUL byte or half a surrogate pair is kept as it is.
    body: JSON.stringify(review.text),
    params: review.params === undefined ? null : JSON.stringify(review.params),
    forms: json(review.forms),
    bytes: orNull(review.bytes),
    exact: orNull(review.exact),
    shape: json(review.shape),
    rules: json(review.rules),
    touches: json(review.touches),
    digest: review.digest,
    policy: review.policy,
    reviewers: JSON.stringify(review.reviewers),
    reason: orNull(review.reason),
    grant_ms: orNull(review.grantMs),
    masks: json(review.masks),
    created_at: review.createdAt,
    expires_at: review.expiresAt,
    decided_at: orNull(review.decidedAt),
    outcome: orNull(review.outcome),
    standing: orNull(review.standing?.kind),
    standing_until: orNull(review.standing?.until),
    changed_at: now,
    gateway: orNull(review.gateway),
    revision: 0,
  };
}

function toReview(row: ReviewRow, decisions: readonly ReviewDecision[]): Review {
  return {
    id: row.id,
    kind: row.kind as Review['kind'],
    state: row.state as ReviewState,
    principal: JSON.parse(row.principal) as Principal,
    connection: row.connection,
    ...optional('session', row.session),
    ...optional('operation', row.operation),
    ...optional('rule', row.rule),
    ...optional('message', row.message),
    text: JSON.parse(row.body) as string,
    ...(row.params === null ? {} : { params: JSON.parse(row.params) as (string | null)[] }),
    ...parsed('forms', row.forms),
    ...optional('bytes', row.bytes),
    ...optional('exact', row.exact),
    ...parsed('shape', row.shape),
    ...parsed('rules', row.rules),
    ...parsed('touches', row.touches),
    digest: row.digest,
    policy: row.policy,
    reviewers: JSON.parse(row.reviewers) as Reviewers,
    ...optional('reason', row.reason),
    ...optional('grantMs', row.grant_ms),
    ...parsed('masks', row.masks),
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    ...optional('decidedAt', row.decided_at),
    ...optional('outcome', row.outcome),
    ...optional('gateway', row.gateway),
    ...(row.standing === null
      ? {}
      : { standing: { kind: row.standing as Standing['kind'], until: row.standing_until! } }),
    decisions,
  };
}

function decisionToRow(review: string, position: number, decision: ReviewDecision): ReviewDecisionRow {
  const { verdict, person, email, by, reason, variant, at } = decision;
  const said = { email: orNull(email), decided_by: by, reason: orNull(reason), variant: json(variant) };
  return { review, position, verdict, person, ...said, at };
}

function toDecision(row: ReviewDecisionRow): ReviewDecision {
  const { verdict, person, email, decided_by, reason, variant, at } = row;
  return {
    verdict: verdict as ReviewDecision['verdict'],
    person,
    ...optional('email', email),
    by: decided_by,
    ...optional('reason', reason),
    ...parsed('variant', variant),
    at,
  };
}
