import { RE2JS } from 're2js';
import type { Value } from './document.ts';
import type { Warn } from './services-file.ts';

/** Why a step is skipped. */
export interface Filter {
  readonly tag?: Value;
  readonly exclude?: Value;
}

/**
 * Why a step isn't for a branch or git tag, or undefined if it is.
 *
 * @param branch undefined: none was told, and a step for a branch is skipped
 */
export function whySkipped(
  { tag, exclude }: Filter,
  branch: string | undefined,
  warn: Warn,
): string | undefined {
  if (branch !== undefined && exclude !== undefined && matches(exclude, branch, warn)) {
    return `excluded for ${branch}`;
  }
  if (tag === undefined) return undefined;
  if (branch === undefined) return `it is for ${tag.text()}, and there is no --tag`;
  return matches(tag, branch, warn) ? undefined : `it is for ${tag.text()}, not ${branch}`;
}

/**
 * A name matches itself. What holds a character of regular expressions is searched for as one; they
 * are Go's (RE2), which take linear time. One that doesn't parse matches nothing.
 */
function matches(pattern: Value, branch: string, warn: Warn): boolean {
  const text = pattern.text();
  if (text === branch) return true;
  if (!/[\^$*+?()[\]{}|\\]/.test(text)) return false;
  let expression: RE2JS;
  try {
    expression = RE2JS.compile(text);
  } catch {
    return false;
  }
  if (!/[\^$]/.test(text)) {
    warn(
      `${pattern.where}: ${pattern.field} is taken as a regular expression; write ^ or $ to say so`,
    );
  }
  return expression.matcher(branch).find();
}
