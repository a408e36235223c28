/** What a token allows for one resource (distribution, token scope documentation). */
export interface Scope {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

/** The scope for work in a repository. */
export function repositoryScope(path: string, ...actions: readonly string[]): Scope {
  return { type: 'repository', name: path, actions };
}

/** Parses the scopes of a challenge, separated by spaces; what isn't a scope is left out. */
export function parseScopes(text: string): readonly Scope[] {
  return text.split(' ').flatMap((part) => {
    const first = part.indexOf(':');
    const last = part.lastIndexOf(':');
    if (first <= 0 || last <= first) return [];
    return [
      {
        type: part.slice(0, first),
        name: part.slice(first + 1, last),
        actions: part
          .slice(last + 1)
          .split(',')
          .filter((action) => action !== ''),
      },
    ];
  });
}

/** `type:name:action,action`, actions sorted. */
export function formatScope({ type, name, actions }: Scope): string {
  return `${type}:${name}:${[...new Set(actions)].sort().join(',')}`;
}

/**
 * One scope a resource, with the actions of all; the first list's resources come first, for some
 * token services read only the first scope.
 */
export function unionScopes(...lists: readonly (readonly Scope[])[]): readonly Scope[] {
  const byResource = new Map<string, Scope>();
  for (const scope of lists.flat()) {
    const key = `${scope.type}:${scope.name}`;
    const known = byResource.get(key);
    byResource.set(key, {
      ...scope,
      actions: [...new Set([...(known?.actions ?? []), ...scope.actions])],
    });
  }
  return [...byResource.values()];
}
