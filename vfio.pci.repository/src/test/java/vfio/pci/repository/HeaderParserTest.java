package vfio.pci.repository;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HeaderParserTest {
    @Test
    void anAbsentHeaderHasNoClauses() throws Exception {
        assertThat(HeaderParser.parse("X", null)).isEmpty();
        assertThat(HeaderParser.parse("X", " ")).isEmpty();
    }

    @Test
    void clausesHavePathsAttributesAndDirectives() throws Exception {
        assertThat(HeaderParser.parse("X", "a.b;c.d;version=1.0;resolution:=optional, e.f"))
                .containsExactly(
                        new Clause(
                                List.of("a.b", "c.d"),
                                Map.of("version", List.of("1.0")),
                                Map.of("resolution", "optional")),
                        new Clause(List.of("e.f"), Map.of(), Map.of()));
    }

    @Test
    void delimitersInQuotationsAreText() throws Exception {
        assertThat(HeaderParser.parse("X", "a;version=\"[1,2)\";uses:=\"b,c;d=e\",f"))
                .containsExactly(
                        new Clause(List.of("a"), Map.of("version", List.of("[1,2)")), Map.of("uses", "b,c;d=e")),
                        new Clause(List.of("f"), Map.of(), Map.of()));
    }

    @Test
    void quotationsEscapeQuotationMarksAndBackslashes() throws Exception {
        assertThat(HeaderParser.parse("X", "a;b=\"say \\\"hi\\\" \\\\ \\x\""))
                .containsExactly(new Clause(List.of("a"), Map.of("b", List.of("say \"hi\" \\ \\x")), Map.of()));
    }

    @Test
    void listsAreSplitAndOtherTypesAreNot() throws Exception {
        assertThat(HeaderParser.parse(
                        "X", "n;one:List<String>=\"154c, 1571\";two:List=\"a\\\\,b,c\";v:Version=\"1,2\";s=\"x,y\""))
                .containsExactly(new Clause(
                        List.of("n"),
                        Map.of(
                                "one", List.of("154c", "1571"),
                                "two", List.of("a,b", "c"),
                                "v", List.of("1,2"),
                                "s", List.of("x,y")),
                        Map.of()));
    }

    @Test
    void spaceAroundEverythingIsIgnored() throws Exception {
        assertThat(HeaderParser.parse("X", " a ; b = \"c\" ; d := e , f "))
                .containsExactly(
                        new Clause(List.of("a"), Map.of("b", List.of("c")), Map.of("d", "e")),
                        new Clause(List.of("f"), Map.of(), Map.of()));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "a;b=\"c     | 7 | there is no \"",
                "a,,b        | 3 | something is missing",
                "a;b=c;d     | 8 | 'd' has no value",
                "b=c         | 4 | a clause names nothing",
                "a;b=\"c\"d  | 8 | there is something behind a quotation",
                "a;b:String  | 11 | there is no =",
            })
    void whatCannotBeReadIsSaidWithItsPlace(String header, int place, String why) {
        assertThatThrownBy(() -> HeaderParser.parse("X-Header", header.trim()))
                .isInstanceOfSatisfying(InvalidBundleException.class, e -> assertThat(e.isManifestWrong())
                        .isTrue())
                .hasMessageStartingWith("its header X-Header cannot be read at character " + place + ": " + why);
    }
}
