/* The parser of boot.cfg: one pass, line by line, the first mistake ends it. */
#include "config.h"

/* A piece of the text: not zero-terminated. */
typedef struct _SPAN {
    const char *Start;
    size_t Length;
} SPAN;

static int IsBlank(char Character)
{
    return Character == ' ' || Character == '\t';
}

static SPAN Trim(SPAN Span)
{
    while (Span.Length != 0 && IsBlank(Span.Start[0])) {
        Span.Start++;
        Span.Length--;
    }
    while (Span.Length != 0 && IsBlank(Span.Start[Span.Length - 1])) {
        Span.Length--;
    }
    return Span;
}

static int SpanIs(SPAN Span, const char *Word)
{
    for (size_t i = 0; i < Span.Length; i++) {
        if (Word[i] != Span.Start[i]) { /* a shorter Word differs at its closing zero */
            return 0;
        }
    }
    return Word[Span.Length] == '\0';
}

/* Copies a span that is known to fit, and closes it with a zero. */
static void CopySpan(char *Target, SPAN Span)
{
    for (size_t i = 0; i < Span.Length; i++) {
        Target[i] = Span.Start[i];
    }
    Target[Span.Length] = '\0';
}

static const char *CheckCharacters(SPAN Line)
{
    for (size_t i = 0; i < Line.Length; i++) {
        unsigned char character = (unsigned char)Line.Start[i];

        if (character != '\t' && (character < ' ' || character > '~')) {
            return "has a character that is not printable ASCII";
        }
    }
    return NULL;
}

static const char *SetPath(char *Target, SPAN Value)
{
    if (Value.Length == 0) {
        return "has no path after the equals sign";
    }
    if (Value.Length >= CONFIG_MAX_PATH) {
        return "has a path of more than 127 characters";
    }
    CopySpan(Target, Value);
    for (char *c = Target; *c != '\0'; c++) {
        if (*c == '/') {
            *c = '\\';
        }
    }
    if (Target[0] != '\\') {
        return "has a path that does not begin with a backslash";
    }
    if (Target[Value.Length - 1] == '\\') {
        return "has a path that ends with a backslash";
    }
    return NULL;
}

static const char *AddDriver(BOOT_CONFIG *Config, SPAN Value)
{
    char *path;
    const char *problem, *name;
    size_t length = 0;

    if (Config->DriverCount == BOOT_MAX_FILES) {
        return "is one driver too many (32 fit)";
    }
    path = Config->Drivers[Config->DriverCount];
    problem = SetPath(path, Value);
    if (problem != NULL) {
        return problem;
    }
    name = ConfigFileName(path);
    while (name[length] != '\0') {
        length++;
    }
    if (length >= sizeof(((BOOT_FILE *)NULL)->Name)) {
        return "has a driver's file name of more than 63 characters";
    }
    Config->DriverCount++;
    return NULL;
}

/* What has been seen so far, for the keys that may stand only once. */
#define SEEN_KERNEL  1u
#define SEEN_CMDLINE 2u

static const char *SetValue(BOOT_CONFIG *Config, SPAN Key, SPAN Value, uint32_t *Seen)
{
    if (SpanIs(Key, "driver")) {
        return AddDriver(Config, Value);
    }
    if (SpanIs(Key, "kernel")) {
        if ((*Seen & SEEN_KERNEL) != 0) {
            return "gives the kernel a second time";
        }
        *Seen |= SEEN_KERNEL;
        return SetPath(Config->Kernel, Value);
    }
    if (SpanIs(Key, "cmdline")) {
        if ((*Seen & SEEN_CMDLINE) != 0) {
            return "gives the command line a second time";
        }
        *Seen |= SEEN_CMDLINE;
        if (Value.Length >= BOOT_MAX_COMMAND) {
            return "has a command line of more than 1023 characters";
        }
        CopySpan(Config->CommandLine, Value);
        return NULL;
    }
    return "has an unknown key (known are kernel, cmdline and driver)";
}

static const char *ParseLine(BOOT_CONFIG *Config, SPAN Line, uint32_t *Seen)
{
    SPAN trimmed, key, value;
    size_t equals = 0;
    const char *problem;

    if (Line.Length != 0 && Line.Start[Line.Length - 1] == '\r') {
        Line.Length--;
    }
    if (Line.Length > CONFIG_MAX_LINE) {
        return "has more than 1152 characters";
    }
    trimmed = Trim(Line);
    if (trimmed.Length == 0 || trimmed.Start[0] == '#') {
        return NULL;
    }
    problem = CheckCharacters(trimmed);
    if (problem != NULL) {
        return problem;
    }
    while (equals < trimmed.Length && trimmed.Start[equals] != '=') {
        equals++;
    }
    if (equals == trimmed.Length) {
        return "is not of the form key=value";
    }
    key = (SPAN){trimmed.Start, equals};
    value = (SPAN){trimmed.Start + equals + 1, trimmed.Length - equals - 1};
    return SetValue(Config, Trim(key), Trim(value), Seen);
}

void ConfigDefaults(BOOT_CONFIG *Config)
{
    static const char kernel[] = CONFIG_DEFAULT_KERNEL;

    CopySpan(Config->Kernel, (SPAN){kernel, sizeof(kernel) - 1});
    Config->CommandLine[0] = '\0';
    Config->DriverCount = 0;
}

const char *ConfigParse(const char *Text, size_t Size, BOOT_CONFIG *Config, uint32_t *Line)
{
    size_t position = 0;
    uint32_t seen = 0;

    ConfigDefaults(Config);
    *Line = 0;
    /* Some editors begin a text with the byte order mark of UTF-8. */
    if (Size >= 3 && Text[0] == '\xEF' && Text[1] == '\xBB' && Text[2] == '\xBF') {
        position = 3;
    }
    while (position < Size) {
        size_t end = position;
        const char *problem;

        while (end < Size && Text[end] != '\n') {
            end++;
        }
        ++*Line;
        problem = ParseLine(Config, (SPAN){Text + position, end - position}, &seen);
        if (problem != NULL) {
            return problem;
        }
        position = end + 1;
    }
    return NULL;
}

const char *ConfigFileName(const char *Path)
{
    const char *name = Path;

    for (const char *c = Path; *c != '\0'; c++) {
        if (*c == '\\') {
            name = c + 1;
        }
    }
    return name;
}
