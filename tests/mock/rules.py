"""What vendors refuse: each rule says what is wrong with a request, or None.

A rule gets what was asked (see shapes.Asked).  The table of rows names the
rules of a vendor, so that a parameter that is sent, left out, clamped or
renamed wrongly fails as it would at the vendor.
"""
import fnmatch

REASONING = ("o1*", "o3*", "o4*", "gpt-5*")
KIMI_FIXED = ("kimi-k2.5*", "kimi-k2.6*", "kimi-k3*", "kimi-k2-5*")
CLAUDE_FIXED = ("claude-opus-4-7*", "claude-opus-4-8*", "claude-opus-5*", "claude-sonnet-5*")


def like(model, globs):
    return any(fnmatch.fnmatch(model, g) for g in globs)


def between(name, low, high, open_low=False, open_high=False):
    """The parameter, where it is sent, lies in the interval."""
    def rule(a):
        v = a.params.get(name)
        if v is None:
            return None
        if not isinstance(v, (int, float)) or isinstance(v, bool):
            return "%s: not a number" % name
        if v < low or v > high or (open_low and v == low) or (open_high and v == high):
            return "%s: %g is out of range" % (name, v)
    return rule


def whole_number(name, low, high):
    def rule(a):
        v = a.params.get(name)
        if v is not None and (type(v) is not int or not low <= v <= high):
            return "%s: expected a whole number from %d to %d" % (name, low, high)
    return rule


def only(*names):
    """Nothing is sent that the vendor does not know."""
    def rule(a):
        for name in sorted(a.params):
            if name not in names:
                return "Unrecognized request argument supplied: %s" % name
    return rule


def never(*names):
    def rule(a):
        for name in names:
            if name in a.params:
                return "%s is not supported" % name
    return rule


def most(name, n):
    """A list of at most n."""
    return lambda a: "%s: at most %d" % (name, n) if len(a.params.get(name) or ()) > n else None


def most_messages(n):
    return lambda a: "at most %d messages, got %d" % (n, len(a.messages)) if len(a.messages) > n else None


def talk(a):
    """The messages but for a first system message."""
    return a.messages[1:] if a.messages and a.messages[0][0] == "system" else a.messages


def alternating(a):
    """User first, in turn, user last, none empty: so their number is odd."""
    rest = talk(a)
    for i, (role, text) in enumerate(rest):
        if role != ("user", "assistant")[i % 2]:
            return "messages[%d]: expected role %s, got %s" % (i, ("user", "assistant")[i % 2], role)
        if not text:
            return "messages[%d]: empty content" % i
    return None if len(rest) % 2 else "the number of messages must be odd"


def system_first(a):
    return "system is only allowed as the first message" if any(r == "system" for r, _ in a.messages[1:]) else None


def no_system(a):
    return "role system is not supported" if any(r == "system" for r, _ in a.messages) else None


def needs(name):
    return lambda a: "%s: field required" % name if name not in a.params else None


def fixed(globs, *names):
    """Models that take no sampling parameter but their own temperature."""
    def rule(a):
        if not like(a.model, globs):
            return None
        if a.params.get("temperature", 1) != 1:
            return "`temperature` is deprecated for this model"
        return never(*names)(a)
    return rule


def reasoning(a):
    """OpenAI's o-series and gpt-5: default sampling, another name of the limit."""
    if not like(a.model, REASONING):
        return None
    if a.params.get("temperature", 1) != 1 or a.params.get("top_p", 1) != 1:
        return "Unsupported value: only the default (1) is supported"
    if "max_tokens" in a.params:
        return "Unsupported parameter: use 'max_completion_tokens' instead of 'max_tokens'"
    if like(a.model, ("o1-mini*", "o1-preview*")):
        return no_system(a)


def no_logprobs_when_thinking(a):
    if "reasoner" in a.model and a.params.get("logprobs"):
        return "deepseek-reasoner does not support logprobs"


def thinking_off(*globs):
    """Models that think unless told not to: the mock wants to be told."""
    def rule(a):
        if like(a.model, globs) and a.params.get("thinking") != {"type": "disabled"}:
            return "thinking: this run does not ask for it"
    return rule


def but_for(glob, rule):
    return lambda a: None if like(a.model, (glob,)) else rule(a)
