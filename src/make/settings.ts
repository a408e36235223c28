import type { VersionSource } from './version-source.ts';

/** What stands under `make:` in `slipway.yaml`. Texts may hold `$(VAR)`. */
export interface MakeSettings {
  readonly name?: string;
  readonly organisation?: string;
  readonly registry?: string;
  readonly version?: VersionSource;
  /** what lists are made of, and what ARCH=all builds */
  readonly architectures?: readonly string[];
  /** defaults of further variables; the environment and the command line come before them */
  readonly variables?: Readonly<Record<string, string>>;
  readonly tags?: Partial<TagTemplates>;
  readonly lists?: Partial<ListTemplates>;
  /** what `test` runs, by a shell */
  readonly test?: string;
  /** the shell that runs it */
  readonly shell?: string;
  /** only the tag of the architecture is pushed; 2019: and what makefiles of that year pushed */
  readonly legacy?: boolean | 2019;
}

/** Tags of an image of one architecture. */
export interface TagTemplates {
  readonly arch: string;
  readonly version: string;
  readonly date: string;
}

/** Tags of lists. */
export interface ListTemplates {
  readonly latest: string;
  readonly version: string;
  readonly date: string;
}

export const TAG_TEMPLATES: TagTemplates = {
  arch: '$(ARCH)',
  version: '$(ARCH)_$(VERSION)',
  date: '$(ARCH)_$(VERSION)_$(BUILDDATE)',
};

export const LIST_TEMPLATES: ListTemplates = {
  latest: 'latest',
  version: '$(VERSION)',
  date: '$(VERSION)_$(BUILDDATE)',
};
