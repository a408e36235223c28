/** A part of a text: what the first group of the pattern matches, else all that it matches. */
export interface Picking {
  readonly pattern?: string;
}

/** Where a version comes from. */
export type VersionSource =
  /** it is this text; may hold `$(VAR)` */
  | string
  | ({ readonly label: string } & Picking)
  | ({ readonly env: string } & Picking)
  /** path of a file in the image */
  | ({ readonly file: string } & Picking)
  /** what a command says that runs in the image, by a shell if it is one text */
  | ({ readonly command: string | readonly string[] } & Picking)
  /** version of an installed package of the image */
  | ({ readonly package: string } & Picking)
  /** latest release of `OWNER/REPOSITORY` */
  | ({ readonly github: string; readonly api?: string } & Picking)
  /** `git describe --tags` */
  | ({ readonly git: 'describe' } & Picking)
  /** path of a package.json on this machine */
  | ({ readonly packageJson: string } & Picking);
