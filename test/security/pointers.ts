/** A test of another room that shows that we are immune to a known hole. */
interface Pointer {
  /** a chapter of `docs/security.md` */
  readonly part: string;
  readonly ids: string;
  readonly file: string;
  /** its name, as it stands there */
  readonly title: string;
}

/** What is proved elsewhere, where it belongs to the room that it is about. */
export const POINTERS: readonly Pointer[] = [
  {
    part: 'Content',
    ids: 'CVE-2024-24557',
    file: 'test/build/native/layers.test.ts',
    title: 'a cached layer whose bytes changed is no hit',
  },
  {
    part: 'Content',
    ids: 'CVE-2026-42575, CVE-2026-54174',
    file: 'test/build/native/layers.test.ts',
    title: 'a base with a layer that is damaged is not built on',
  },
  {
    part: 'Archives',
    ids: 'CVE-2025-47290, CVE-2026-23950',
    file: 'test/build/native/layers.test.ts',
    title: 'a folder that turns into a link while it is packed lets nothing from outside in',
  },
  {
    part: 'Archives',
    ids: 'CVE-2025-64118',
    file: 'test/build/native/layers.test.ts',
    title: 'a file that changes while it is packed makes no image',
  },
  {
    part: 'Archives',
    ids: 'CVE-2021-32803, CVE-2024-0406, CVE-2025-3445',
    file: 'test/build/image-files.test.ts',
    title: 'a link of the image that leads out is written as a link, and nothing goes through it',
  },
  {
    part: 'Limits',
    ids: 'CVE-2023-24807, patterns that take for ever',
    file: 'test/build/dockerfile/ignore.test.ts',
    title: 'no pattern is slow',
  },
  {
    part: 'Limits',
    ids: 'GHSA-298f-872v-2rcx',
    file: 'test/layout/hostile.test.ts',
    title: 'indexes nested sixty-four times get no name and stop nothing',
  },
  {
    part: 'Content',
    ids: 'prototype pollution',
    file: 'test/layout/hostile.test.ts',
    title: 'keys like __proto__ change nothing but themselves',
  },
  {
    part: 'Output',
    ids: 'CVE-2023-26054',
    file: 'test/build/sources.test.ts',
    title: 'no user and no password of a remote is left in its address',
  },
  {
    part: 'Files',
    ids: 'docker config torn by a kill',
    file: 'test/kills/login.test.ts',
    title: 'a login that is killed while it writes leaves the file whole',
  },
  {
    part: 'Files',
    ids: 'two processes, one store',
    file: 'test/layout/processes.test.ts',
    title: 'two processes that give two hundred names each lose none',
  },
];
