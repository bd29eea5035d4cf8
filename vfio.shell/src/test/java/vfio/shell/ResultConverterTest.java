package vfio.shell;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.apache.felix.service.command.Converter;
import org.junit.jupiter.api.Test;

class ResultConverterTest {
    private record Fruit(String name, long count) implements Row {
        @Override
        public List<Cell> cells() {
            return List.of(Cell.text("name", name), Cell.number("count", count), Cell.text("note", ""));
        }
    }

    private final Listing<Fruit> fruits =
            new Listing<>(List.of(new Fruit("apple", 5), new Fruit("fig", 12345)), "No fruit: it is winter.");

    @Test
    void alignsATable() {
        assertThat(format(fruits, Converter.INSPECT)).isEqualTo("""
                        name   count  note
                        apple      5
                        fig    12345""");
    }

    @Test
    void explainsAnEmptyTable() {
        assertThat(format(new Listing<Fruit>(List.of(), "No fruit: it is winter."), Converter.INSPECT))
                .isEqualTo("No fruit: it is winter.");
    }

    @Test
    void showsATableOnALine() {
        assertThat(format(fruits, Converter.LINE)).isEqualTo("[apple, fig]");
        assertThat(format(fruits, Converter.PART)).isEqualTo("[apple, fig]");
    }

    @Test
    void showsARowInThreeFormats() {
        assertThat(format(fruits.get(1), Converter.INSPECT)).isEqualTo("""
                        name   fig
                        count  12345
                        note   \
                        """);
        assertThat(format(fruits.get(1), Converter.LINE)).isEqualTo("fig  12345  ");
        assertThat(format(fruits.get(1), Converter.PART)).isEqualTo("fig");
    }

    @Test
    void leavesOtherObjectsToOthers() throws Exception {
        assertThat(new ResultConverter().format(List.of("apple"), Converter.INSPECT, null))
                .isNull();
        assertThat(new ResultConverter().convert(Fruit.class, "apple")).isNull();
    }

    private static String format(Object target, int level) {
        return String.valueOf(new ResultConverter().format(target, level, null));
    }
}
