// Variables that steer what is run. Refuses to know: how they are set.

/** Variables that change what other words mean, or what programs run: whoever sets one can run what the text does not say. */
export function steering(name: string): boolean {
  return /^(?:PATH|CDPATH|IFS|ENV|HOME|SHELL|PS\d|R?PROMPT\d?|RPS\d|SPROMPT|PROMPT_COMMAND|EXECIGNORE|GLOBIGNORE|MAILPATH|PAGER|EDITOR|VISUAL|BROWSER|TERMINFO|TERMCAP|HOSTALIASES|LOCPATH|NLSPATH|GCONV_PATH|TMPDIR|BASH.*|SHELLOPTS|FPATH|ZDOTDIR|LD_.*|DYLD_.*|MALLOC_.*|GLIBC_.*|PYTHON.*|PERL.*|RUBY.*|NODE_.*|JAVA_.*|_JAVA_.*|GIT_.*|SSH_.*|RSYNC_.*|LESS.*|MAN.*|XDG_.*|OPENSSL_.*|CURL_.*|GNUPGHOME|MAKE.*|.*PAGER|.*EDITOR|.*ASKPASS|.*_OPTIONS|.*OPTS|.*_OPTS|.*_COMMAND|.*_PRELOAD|.*_CONFIG|.*RC)$/.test(
    name,
  );
}

const HARMLESS = /^(?:LANG|LANGUAGE|LC_[A-Z]+|TZ|TERM|COLORTERM|NO_COLOR|COLUMNS|LINES|DEBIAN_FRONTEND|USER|LOGNAME)$/;

/**
 * Variables that a program gets in its environment. Which of them make some program run others, nobody can list: only
 * those that are known to do nothing, and names of one's own (programs' are in capitals, but for proxies).
 */
export function steeringInEnvironment(name: string): boolean {
  return !HARMLESS.test(name) && (!/[a-z]/.test(name) || /_proxy$/i.test(name) || steering(name));
}
