import type { Login } from './login.ts';

/**
 * A login of GitHub's container registry with the job's own token; undefined outside of GitHub
 * Actions, and where the job doesn't pass its token on.
 */
export async function githubLogin(): Promise<Login | undefined> {
  const { GITHUB_ACTIONS, GITHUB_ACTOR, GITHUB_TOKEN } = process.env;
  if (GITHUB_ACTIONS !== 'true' || !GITHUB_ACTOR || !GITHUB_TOKEN) return undefined;
  // The token lives as long as the job.
  return { credential: { username: GITHUB_ACTOR, password: GITHUB_TOKEN } };
}
