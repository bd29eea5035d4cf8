package vfio.dist;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class JsonSyntaxTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                " { } \n",
                "{\"a\":1,\"b\":[],\"c\":{},\"d\":[1, -2.5e+3, 0],\"e\":null,\"f\":true,\"g\":false}",
                "// first\n{ /* in\n between */ \"a\": \"// no comment\" } // last",
                "{\"a\": \"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"}"
            })
    void whatTheConfiguratorReadsIsAccepted(String text) throws Exception {
        assertThat(JsonSyntax.check(text)).isNotNull();
    }

    @Test
    void theNamesAtTheTopAreReturned() throws Exception {
        assertThat(JsonSyntax.check("{\":a:b\": 1, \"pid~x\": {\"inner\": [{\"deeper\": 2}]}}"))
                .containsExactly(":a:b", "pid~x");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "``                  | 1:1: expected '{'",
                "[]                  | 1:1: expected '{'",
                "{                   | 1:2: expected a name",
                "{\"a\" 1}           | 1:6: expected ':'",
                "{\"a\": }           | 1:7: expected a value, found '}'",
                "{\"a\": 1,}         | 1:9: expected a name in double quotes, found '}'",
                "{\"a\": [1, 2,]}    | 1:13: expected a value, found ']'",
                "{\"a\": 1 \"b\": 2} | 1:9: expected ',' or '}', found '\"'",
                "{\"a\": 01}         | 1:7: expected a value",
                "{\"a\": tru}        | 1:7: expected a value",
                "{\"a\": 'b'}        | 1:7: expected a value",
                "{a: 1}              | 1:2: expected a name",
                "{\"a\": \"b}        | 1:10: expected the closing",
                "{\"a\": \"\\q\"}    | 1:9: expected an escape",
                "{\"a\": \"\\u12\"}  | 1:9: expected four hexadecimal digits",
                "{} {}               | 1:4: expected the end of the file",
                "{} /* open          | 1:4: expected the comment to end"
            })
    void aMistakeIsToldWithItsPlace(String text, String message) {
        assertThatExceptionOfType(JsonSyntax.SyntaxException.class)
                .isThrownBy(() -> JsonSyntax.check(text))
                .withMessageStartingWith(message);
    }

    @Test
    void linesAreCounted() {
        assertThatExceptionOfType(JsonSyntax.SyntaxException.class)
                .isThrownBy(() -> JsonSyntax.check("{\n  \"a\": 1,\n  \"b\" 2\n}"))
                .withMessage("3:7: expected ':', found '2'");
    }
}
