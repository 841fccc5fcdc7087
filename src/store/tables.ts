// The tables, as kysely sees them. Only types that every database has: text, integers (booleans are 0 and 1, times are
// milliseconds since the epoch), JSON as text. Refuses to know: what any of it means.

export interface Tables {
  users: UserRow;
  service_accounts: ServiceAccountRow;
  revocations: RevocationRow;
  revoked_tokens: { jti: string; expires_at: number };
  oidc: OidcRow;
  key_values: { key: string; value: string; expires_at: number | null };
  reviews: ReviewRow;
  review_decisions: ReviewDecisionRow;
  grants: GrantRow;
  sessions: SessionRow;
  deliveries: DeliveryRow;
  budgets: BudgetRow;
  budget_values: { day: number; principal: string; rule: string; hash: string };
  holds: HoldRow;
  log_outbox: { id: string; at: number; kind: string; fields: string; gateway: string | null };
  gateways: GatewayRow;
  signing_keys: SigningKeyRow;
  schema_migrations: { name: string; at: number };
}

export interface UserRow {
  name: string;
  email: string | null;
  groups: string;
  password: string;
  created_at: number;
}

export interface ServiceAccountRow {
  name: string;
  groups: string;
  description: string | null;
  secret: string;
  created_at: number;
  rotated_at: number;
}

export interface RevocationRow {
  issuer: string;
  subject: string;
  reason: string | null;
  revoked_by: string;
  at: number;
}

export interface OidcRow {
  model: string;
  id: string;
  payload: string;
  grant_id: string | null;
  user_code: string | null;
  uid: string | null;
  account_id: string | null;
  consumed_at: number | null;
  expires_at: number | null;
}

export interface ReviewRow {
  id: string;
  kind: string;
  state: string;
  issuer: string;
  subject: string;
  principal: string;
  connection: string;
  session: string | null;
  operation: number | null;
  rule: string | null;
  message: string | null;
  body: string;
  params: string | null;
  /** JSON. */
  forms: string | null;
  bytes: string | null;
  exact: string | null;
  /** JSON. */
  shape: string | null;
  rules: string | null;
  touches: string | null;
  digest: string;
  policy: string;
  reviewers: string;
  reason: string | null;
  grant_ms: number | null;
  /** JSON. */
  masks: string | null;
  created_at: number;
  expires_at: number;
  decided_at: number | null;
  outcome: string | null;
  standing: string | null;
  standing_until: number | null;
  changed_at: number;
  gateway: string | null;
  /** Counts changes; writing it takes the row's lock before anything is read. */
  revision: number;
}

export interface ReviewDecisionRow {
  review: string;
  /** From 0, in the order of deciding. */
  position: number;
  verdict: string;
  person: string;
  email: string | null;
  decided_by: string;
  reason: string | null;
  variant: string | null;
  at: number;
}

export interface GrantRow {
  id: string;
  issuer: string;
  subject: string;
  actor: string | null;
  principal: string;
  connection: string;
  review: string;
  starts_at: number;
  ends_at: number;
  break_glass: number;
  /** JSON. */
  masks: string | null;
  revoked_at: number | null;
  revoked_by: string | null;
  revoked_reason: string | null;
}

export interface BudgetRow {
  /** From the epoch. */
  day: number;
  principal: string;
  rule: string;
  rows: number;
  bytes: number;
  statements: number;
  time_ms: number;
}

export interface SessionRow {
  id: string;
  issuer: string;
  subject: string;
  email: string | null;
  principal: string;
  connection: string;
  protocol: string;
  client: string;
  via: string | null;
  reason: string | null;
  grant_id: string | null;
  /** JSON: masks that do not apply to its principal. */
  exempt: string | null;
  started_at: number;
  ended_at: number | null;
  state: string;
  end_code: string | null;
  end_message: string | null;
  operations: number;
  denied: number;
  from_client: number;
  to_client: number;
  bytes: number;
  lines: number | null;
  digest: string | null;
  sealed: number;
  gateway: string | null;
  kill_by: string | null;
  kill_reason: string | null;
  /** `best-effort`, or `unrecorded` once that was made use of. */
  record: string | null;
  /** JSON: of its connection, when it began. */
  labels: string | null;
  /** `both` or `object`: where its recording is beside the directory, or alone. */
  stored: string | null;
  /** `ordered`, `begun`, `erased`, `purged`. */
  purge_state: string | null;
  /** JSON: by whose word, and why. */
  purge: string | null;
}

export interface HoldRow {
  id: string;
  kind: string;
  value: string;
  reason: string;
  held_by: string;
  at: number;
  released_at: number | null;
  released_by: string | null;
}

export interface DeliveryRow {
  id: string;
  webhook: string;
  event: string;
  body: string;
  state: string;
  attempts: number;
  created_at: number;
  next_at: number;
  error: string | null;
}

export interface GatewayRow {
  id: string;
  /** Of one process: a second one that takes the id is seen. */
  instance: string;
  host: string;
  url: string;
  version: string;
  started_at: number;
  /** By the store's clock. */
  seen_at: number;
  /** It stopped, or was found dead and what it left was closed. */
  over_at: number | null;
}

export interface SigningKeyRow {
  kid: string;
  gateway: string;
  purpose: string;
  /** The public half, JSON. */
  jwk: string;
  verifies_until: number;
}
