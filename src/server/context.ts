import type { ManifestStore } from './manifest-store.ts';
import type { Quota } from './quota.ts';
import type { Repositories } from './repositories.ts';
import type { Sessions } from './sessions.ts';

/** What the endpoints of one registry share. */
export interface RegistryContext {
  readonly repositories: Repositories;
  readonly sessions: Sessions;
  readonly manifests: ManifestStore;
  readonly quota: Quota;
  /** manifests are taken also while some of what they name isn't there */
  readonly sparse: boolean;
}
