/**
 * True for what docker takes for a git repository: `git://…`, `git@HOST:…`, `ssh://…`,
 * `github.com/…`, and `http(s)://….git`, each with `#REF:FOLDER` or without
 * (https://docs.docker.com/build/concepts/context/#git-repositories).
 */
export function isGitContext(text: string): boolean {
  const [repository = ''] = text.split('#', 1);
  return (
    /^(?:git:\/\/|ssh:\/\/|git@[^\s:]+:|github\.com\/)/.test(text) ||
    /^https?:\/\/.+\.git$/.test(repository)
  );
}
