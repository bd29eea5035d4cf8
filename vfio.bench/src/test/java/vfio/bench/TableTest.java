package vfio.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;

class TableTest {

    @Test
    void numbersStandToTheRight() {
        Table table = new Table("Trip", "µs", "ratio");
        table.row("bare", "17.0", "1.00");
        table.row("trapped", "1,234", "72.6");
        assertThat(table).hasToString("""

                Trip        µs  ratio
                bare      17.0   1.00
                trapped  1,234   72.6
                """);
    }

    @Test
    void everyRowHasEveryColumn() {
        Table table = new Table("Trip", "µs");
        assertThatIllegalArgumentException().isThrownBy(() -> table.row("bare"));
    }

    @Test
    void numbersHaveThreeDigitsOrMore() {
        assertThat(Table.number(1.234)).isEqualTo("1.23");
        assertThat(Table.number(-12.34)).isEqualTo("-12.3");
        assertThat(Table.number(123.4)).isEqualTo("123");
        assertThat(Table.number(1_234_567)).isEqualTo("1,234,567");
        assertThat(Table.number(Double.NaN)).isEqualTo("-");
    }

    @Test
    void spreadShowsTheRange() {
        assertThat(Table.spread(new double[] {3, 1, 2})).isEqualTo("2.00 (1.00 - 3.00)");
    }
}
