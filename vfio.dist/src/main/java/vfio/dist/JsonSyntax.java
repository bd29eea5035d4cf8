package vfio.dist;

import java.util.LinkedHashSet;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Checks the syntax of a configuration before the Configurator sees it: that one only logs what it cannot read, and the
 * runtime would come up without its devices. Accepts what the Configurator accepts: JSON (RFC 8259) with comments, an
 * object at the top.
 */
final class JsonSyntax {
    private static final char END = '\0';

    private final String text;
    private int at;

    private JsonSyntax(String text) {
        this.text = text;
    }

    /** What is wrong, as {@code line:column: sentence}. */
    static final class SyntaxException extends Exception {
        private static final long serialVersionUID = 1L;

        SyntaxException(String message) {
            super(message);
        }
    }

    /**
     * Checks a text.
     *
     * @return the names of the members of the object at the top
     */
    static Set<String> check(String text) throws SyntaxException {
        JsonSyntax syntax = new JsonSyntax(text);
        syntax.blank();
        if (syntax.peek() != '{') {
            throw syntax.expected("'{'");
        }
        Set<String> names = new LinkedHashSet<>();
        syntax.members('}', names::add);
        syntax.blank();
        if (syntax.at < text.length()) {
            throw syntax.expected("the end of the file");
        }
        return names;
    }

    private void value() throws SyntaxException {
        switch (peek()) {
            case '{' -> members('}', name -> {});
            case '[' -> members(']', null);
            case '"' -> string();
            case 't' -> word("true");
            case 'f' -> word("false");
            case 'n' -> word("null");
            default -> number();
        }
        blank();
    }

    /** The members of an object, or with null for the names the elements of an array. */
    private void members(char close, @Nullable Consumer<String> names) throws SyntaxException {
        at++;
        blank();
        if (peek() == close) {
            at++;
            return;
        }
        while (true) {
            if (names != null) {
                if (peek() != '"') {
                    throw expected("a name in double quotes");
                }
                int start = at;
                string();
                names.accept(text.substring(start + 1, at - 1));
                blank();
                take(':', "':'");
                blank();
            }
            value();
            if (peek() == close) {
                at++;
                return;
            }
            take(',', "',' or '" + close + "'");
            blank();
        }
    }

    private void string() throws SyntaxException {
        at++;
        while (peek() != '"') {
            if (peek() < ' ') {
                throw expected("the closing '\"' on the same line");
            }
            if (peek() == '\\') {
                at++;
                if ("\"\\/bfnrtu".indexOf(peek()) < 0) {
                    throw expected("an escape that JSON knows");
                }
                if (peek() == 'u' && !fourHexadecimalDigits()) {
                    throw expected("four hexadecimal digits after \\u");
                }
            }
            at++;
        }
        at++;
    }

    private boolean fourHexadecimalDigits() {
        int end = at + 5;
        return end <= text.length() && text.substring(at + 1, end).chars().allMatch(c -> Character.digit(c, 16) >= 0);
    }

    private void number() throws SyntaxException {
        int start = at;
        while ("+-.0123456789eE".indexOf(peek()) >= 0) {
            at++;
        }
        if (!text.substring(start, at).matches("-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]+)?")) {
            at = start;
            throw expected("a value");
        }
    }

    private void word(String word) throws SyntaxException {
        if (!text.startsWith(word, at)) {
            throw expected("a value");
        }
        at += word.length();
    }

    private void take(char expected, String name) throws SyntaxException {
        if (peek() != expected) {
            throw expected(name);
        }
        at++;
    }

    private void blank() throws SyntaxException {
        while (at < text.length()) {
            if (Character.isWhitespace(peek())) {
                at++;
            } else if (text.startsWith("//", at)) {
                int end = text.indexOf('\n', at);
                at = end < 0 ? text.length() : end;
            } else if (text.startsWith("/*", at)) {
                int end = text.indexOf("*/", at + 2);
                if (end < 0) {
                    throw expected("the comment to end");
                }
                at = end + 2;
            } else {
                return;
            }
        }
    }

    private char peek() {
        return at < text.length() ? text.charAt(at) : END;
    }

    private SyntaxException expected(String what) {
        String before = text.substring(0, Math.min(at, text.length()));
        long line = before.chars().filter(c -> c == '\n').count() + 1;
        int column = before.length() - before.lastIndexOf('\n');
        String found = at < text.length() ? "'" + text.charAt(at) + "'" : "the end of the file";
        return new SyntaxException(line + ":" + column + ": expected " + what + ", found " + found);
    }
}
