// What can be administered, as the verbs see it, whichever way it is done.

export interface UserItem {
  readonly name: string;
  readonly email?: string;
  readonly groups: readonly string[];
  readonly createdAt: string | number;
}

export interface AccountItem {
  readonly name: string;
  readonly groups: readonly string[];
  readonly description?: string;
  readonly createdAt: string | number;
  readonly rotatedAt: string | number;
}

export interface RevocationItem {
  readonly issuer: string;
  readonly subject: string;
  readonly reason?: string;
  readonly by: string;
  readonly at: string | number;
}

export interface NewUser {
  readonly name: string;
  readonly email?: string;
  readonly groups: readonly string[];
  readonly password: string;
}

export interface NewAccount {
  readonly name: string;
  readonly groups: readonly string[];
  readonly description?: string;
}

export interface Revoked {
  /** Live sessions that were cut; undefined where that is not known. */
  readonly sessionsEnded?: number;
  /** What may be wrong with whom it is about. */
  readonly warning?: string;
}

export interface Admin extends AsyncDisposable {
  addUser(user: NewUser): Promise<UserItem>;
  users(): Promise<readonly UserItem[]>;
  setPassword(name: string, password: string): Promise<void>;
  setGroups(name: string, groups: readonly string[]): Promise<void>;
  removeUser(name: string): Promise<void>;
  addAccount(account: NewAccount): Promise<AccountItem & { secret: string }>;
  accounts(): Promise<readonly AccountItem[]>;
  rotateAccount(name: string): Promise<AccountItem & { secret: string }>;
  removeAccount(name: string): Promise<void>;
  revoke(issuer: string, subject: string, reason: string | undefined): Promise<Revoked>;
  revocations(): Promise<readonly RevocationItem[]>;
  unrevoke(issuer: string, subject: string): Promise<void>;
}
