/*
 * evlog completion: scripts for bash, zsh and fish, which ask the command itself what can stand where the cursor is:
 *
 *   evlog completion words WORD...   the last word, which may be empty, is completed; prints WORD or WORD, a tab and
 *                                    what it is, a line each; nothing: a file name
 *
 * So there is one table of verbs and options, and a script that is installed goes with later versions. No log is
 * looked into: a key that is pressed must not open files.
 */
#include "completion.h"

#include <stdio.h>
#include <string.h>

#include "tool.h"

static const char bash[] =
    "_evlog() {\n"
    "    local IFS=$'\\n'\n"
    "    COMPREPLY=($(evlog completion words \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null | cut -f 1))\n"
    "}\n"
    "complete -o default -F _evlog evlog\n";

static const char zsh[] =
    "#compdef evlog\n"
    "_evlog() {\n"
    "    local -a found\n"
    "    found=(\"${(@f)$(evlog completion words \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\")\n"
    "    if [[ -n \"$found\" ]]; then\n"
    "        found=(\"${(@)found//:/\\\\:}\")\n"
    "        found=(\"${(@)found/$'\\t'/:}\")\n"
    "        _describe -V evlog found\n"
    "    else\n"
    "        _files\n"
    "    fi\n"
    "}\n"
    "if [ \"$funcstack[1]\" = _evlog ]; then _evlog \"$@\"; else compdef _evlog evlog; fi\n";

static const char fish[] = "function __evlog_words\n"
                           "    set -l words (commandline -opc) (commandline -ct)\n"
                           "    evlog completion words $words[2..] 2>/dev/null\n"
                           "end\n"
                           "complete -c evlog -k -a '(__evlog_words)'\n";

/* --------------------------------------------------------------- words ---- */

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Prints a candidate if it begins as the last word does. `what` may have more lines than one. */
static void put(const char *last, const char *word, size_t size, const char *what)
{
    if (size < strlen(last) || strncmp(word, last, strlen(last)) != 0)
        return;
    printf("%.*s\t%.*s\n", (int)size, word, (int)strcspn(what, "\n"), what);
}

/* Verbs whose words are these, and then one that begins as the last. */
static void put_verbs(const struct verb *verbs, size_t count, int word_count, char **words)
{
    const char *last = words[word_count - 1], *before = NULL;
    for (size_t i = 0; i < count; i++) {
        const char *blank = strchr(verbs[i].name, ' ');
        size_t size = blank ? (size_t)(blank - verbs[i].name) : strlen(verbs[i].name);
        bool is_again =
            before && strncmp(before, verbs[i].name, size) == 0 && before[size] == ' ';
        before = blank ? verbs[i].name : NULL;
        if (word_count == 1 && !is_again)
            put(last, verbs[i].name, size, blank ? "" : verbs[i].summary);
        else if (word_count == 2 && blank && strlen(words[0]) == size &&
                 begins(verbs[i].name, words[0]))
            put(last, blank + 1, strlen(blank + 1), verbs[i].summary);
    }
}

static const struct verb *verb_of(const struct verb *verbs, size_t count, int word_count,
                                  char **words)
{
    for (size_t i = 0; i < count; i++) {
        const char *blank = strchr(verbs[i].name, ' ');
        size_t size = blank ? (size_t)(blank - verbs[i].name) : strlen(verbs[i].name);
        if (word_count > (blank ? 2 : 1) && strlen(words[0]) == size &&
            begins(verbs[i].name, words[0]) && (!blank || strcmp(words[1], blank + 1) == 0))
            return &verbs[i];
    }
    return NULL;
}

/* The words of a text like "short, json or pretty"; of what else it says nothing. */
static void put_choices(const char *last, const char *takes)
{
    while (*takes) {
        const char *comma = strstr(takes, ", "), * or = strstr(takes, " or ");
        const char *end = or &&(!comma || or < comma) ? or : comma;
        size_t size = end ? (size_t)(end - takes) : strlen(takes);
        if (strspn(takes, "abcdefghijklmnopqrstuvwxyz") >= size)
            put(last, takes, size, "");
        takes += end ? size + (end == or ? 4 : 2) : size;
    }
}

static void put_options(const struct verb *verb, const char *last)
{
    struct option_help option;
    for (size_t i = 0; option_at(i, &option); i++)
        if (option_is_of(verb, i)) {
            char name[64];
            snprintf(name, sizeof name, "--%s", option.name);
            put(last, name, strlen(name), option.help);
        }
}

/* Whether the word before the last is an option that takes an argument, whose choices are printed. */
static bool put_argument(const struct verb *verb, const char *word, const char *last)
{
    struct option_help option;
    for (size_t i = 0; option_at(i, &option); i++) {
        bool is_it = (word[0] == '-' && word[1] == '-' && strcmp(word + 2, option.name) == 0) ||
                     (option.letter && word[0] == '-' && word[1] == option.letter && !word[2]);
        if (!is_it || !option.argument || !option_is_of(verb, i))
            continue;
        put_choices(last, option.takes ? option.takes : "");
        return true;
    }
    return false;
}

static void put_words(const struct verb *verbs, size_t count, int word_count, char **words)
{
    const struct verb *verb = verb_of(verbs, count, word_count, words);
    const char *last = words[word_count - 1];
    if (word_count > 1 && strcmp(words[0], "help") == 0)
        put_verbs(verbs, count, word_count - 1, words + 1);
    else if (word_count == 2 && strcmp(words[0], "completion") == 0)
        put_choices(last, "bash, zsh or fish");
    else if (verb && put_argument(verb, words[word_count - 2], last))
        return;
    else if (verb && *last == '-')
        put_options(verb, last);
    else if (!verb)
        put_verbs(verbs, count, word_count, words);
    if (word_count == 1) {
        put(last, "relay", 5, "give events to an event bus, or take them from one");
        put(last, "web", 3, "a page to look at logs with a browser");
        put(last, "help", 4, "say more about a verb");
        put(last, "completion", 10, "print a script for a shell's completion");
    }
}

int completion_run(const struct verb *verbs, size_t count, int word_count, char **words)
{
    const char *what = word_count ? words[0] : "";
    if (strcmp(what, "words") == 0 && word_count > 1)
        put_words(verbs, count, word_count - 1, words + 1);
    else if (strcmp(what, "bash") == 0)
        fputs(bash, stdout);
    else if (strcmp(what, "zsh") == 0)
        fputs(zsh, stdout);
    else if (strcmp(what, "fish") == 0)
        fputs(fish, stdout);
    else
        return complain(EXIT_MISUSE, "usage: evlog completion bash|zsh|fish");
    return output_flushed(EXIT_DONE);
}
