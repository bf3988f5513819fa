/** Types of run-case.cjs. */
export interface RunCase {
  readonly program: string;
  readonly args?: readonly string[];
  readonly flags?: readonly string[];
  readonly expect: { readonly status: number | null; readonly signal: string | null };
  readonly within: number;
  readonly endsWithin?: number;
  readonly stderr?: RegExp;
}

export interface CaseResult {
  readonly problems: readonly string[];
  readonly seconds: number;
  readonly facts: Readonly<Record<string, unknown>> | null;
  readonly stderr: string;
}

export function runCase(node: string, one: RunCase, env?: NodeJS.ProcessEnv): Promise<CaseResult>;
