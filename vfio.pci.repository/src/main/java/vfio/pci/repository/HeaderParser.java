package vfio.pci.repository;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Reads manifest headers by the common header syntax of OSGi Core 8, sections 1.3.2 and 3.2.4:
 *
 * <pre>
 * header    ::= clause ( ',' clause )*
 * clause    ::= path ( ';' path )* ( ';' parameter )*
 * parameter ::= directive | attribute
 * directive ::= name ':=' argument
 * attribute ::= name ( ':' type )? '=' argument
 * argument  ::= token | '"' quoted '"'
 * </pre>
 */
final class HeaderParser {
    private static final String LIST = "List";

    private final String name;
    private final String text;
    private int position;

    private HeaderParser(String name, String text) {
        this.name = name;
        this.text = text;
    }

    /** The clauses of a header; none if it is absent or blank. */
    static List<Clause> parse(String name, @Nullable String text) throws InvalidBundleException {
        return text == null || text.isBlank() ? List.of() : new HeaderParser(name, text).header();
    }

    private List<Clause> header() throws InvalidBundleException {
        List<Clause> clauses = new ArrayList<>();
        do {
            clauses.add(clause());
        } while (take(','));
        return clauses;
    }

    private Clause clause() throws InvalidBundleException {
        List<String> paths = new ArrayList<>();
        Map<String, List<String>> attributes = new HashMap<>();
        Map<String, String> directives = new HashMap<>();
        do {
            String token = token(",;:=");
            if (token.isEmpty()) {
                throw unreadable("something is missing");
            }
            if (take('=')) {
                attributes.put(token, List.of(argument()));
            } else if (take(':')) {
                if (take('=')) {
                    directives.put(token, argument());
                } else {
                    String type = token("=");
                    expect('=');
                    attributes.put(token, type.startsWith(LIST) ? elements(argument()) : List.of(argument()));
                }
            } else if (attributes.isEmpty() && directives.isEmpty()) {
                paths.add(token);
            } else {
                throw unreadable("'" + token + "' has no value");
            }
        } while (take(';'));
        if (paths.isEmpty()) {
            throw unreadable("a clause names nothing");
        }
        return new Clause(paths, attributes, directives);
    }

    private String argument() throws InvalidBundleException {
        skipSpace();
        if (!take('"')) {
            return token(",;");
        }
        StringBuilder value = new StringBuilder();
        while (!atEnd() && text.charAt(position) != '"') {
            if (text.charAt(position) == '\\' && position + 1 < text.length() && isEscapable(position + 1)) {
                position++;
            }
            value.append(text.charAt(position++));
        }
        expect('"');
        skipSpace();
        if (!atEnd() && ",;".indexOf(text.charAt(position)) < 0) {
            throw unreadable("there is something behind a quotation");
        }
        return value.toString();
    }

    private boolean isEscapable(int index) {
        return "\"\\".indexOf(text.charAt(index)) >= 0;
    }

    /** The elements of a list: separated by commas, and a comma within one behind a backslash. */
    private static List<String> elements(String list) {
        List<String> elements = new ArrayList<>();
        StringBuilder element = new StringBuilder();
        for (int i = 0; i < list.length(); i++) {
            char character = list.charAt(i);
            if (character == '\\' && i + 1 < list.length()) {
                element.append(list.charAt(++i));
            } else if (character == ',') {
                elements.add(element.toString().trim());
                element.setLength(0);
            } else {
                element.append(character);
            }
        }
        elements.add(element.toString().trim());
        return elements;
    }

    /** What comes before the next of some delimiters, or the end, without the space around it. */
    private String token(String delimiters) {
        int start = position;
        while (!atEnd() && delimiters.indexOf(text.charAt(position)) < 0) {
            position++;
        }
        return text.substring(start, position).trim();
    }

    private boolean take(char expected) {
        if (atEnd() || text.charAt(position) != expected) {
            return false;
        }
        position++;
        return true;
    }

    private void expect(char expected) throws InvalidBundleException {
        if (!take(expected)) {
            throw unreadable("there is no " + expected);
        }
    }

    private void skipSpace() {
        while (!atEnd() && text.charAt(position) == ' ') {
            position++;
        }
    }

    private boolean atEnd() {
        return position >= text.length();
    }

    private InvalidBundleException unreadable(String why) {
        return InvalidBundleException.wrongManifest(
                "its header " + name + " cannot be read at character " + (position + 1) + ": " + why);
    }
}
