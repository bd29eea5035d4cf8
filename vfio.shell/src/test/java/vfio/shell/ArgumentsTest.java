package vfio.shell;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.pci.api.pci.PciRegion;

class ArgumentsTest {
    @ParameterizedTest
    @CsvSource({
        "0, 0",
        "4096, 4096",
        "0x1000, 4096",
        "0XfF, 255",
        "0xffffffffffffffff, -1",
        "18446744073709551615, -1",
    })
    void readsDecimalAndHexadecimal(String text, long number) {
        assertThat(Arguments.number("offset", text)).isEqualTo(number);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "x", "-1", "0x", "0x-1", "1f", "0x10000000000000000", "1 "})
    void refusesWhatIsNoNumber(String text) {
        assertThatThrownBy(() -> Arguments.number("offset", text))
                .isInstanceOf(CommandException.class)
                .hasMessage("'" + text + "' is no offset: write a number like 4096 or 0x1000, up to 64 bits");
    }

    @ParameterizedTest
    @ValueSource(strings = {"1", "2", "4", "8", "0x8"})
    void acceptsWidthsOfRegisters(String text) {
        assertThat(Arguments.width(text)).isEqualTo((int) Arguments.number("width", text));
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "3", "16", "4294967300"})
    void refusesOtherWidths(String text) {
        assertThatThrownBy(() -> Arguments.width(text)).hasMessageContaining("is no width: it is 1, 2, 4 or 8 bytes");
    }

    @Test
    void refusesValuesThatDoNotFit() {
        assertThat(Arguments.value("0xff", 1)).isEqualTo(0xff);
        assertThat(Arguments.value("0xffffffffffffffff", 8)).isEqualTo(-1);
        assertThatThrownBy(() -> Arguments.value("0x100", 1))
                .isInstanceOf(CommandException.class)
                .hasMessage("0x100 does not fit in 1 byte; give a larger width");
        assertThatThrownBy(() -> Arguments.value("0x100000000", 4))
                .hasMessage("0x100000000 does not fit in 4 bytes; give a larger width");
    }

    @ParameterizedTest
    @CsvSource({"bar0, 0", "BAR5, 5", "rom, 6", "Config, 7", "vga, 8", "0, 0", "8, 8", "9, 9"})
    void knowsRegionsByNameAndIndex(String text, int region) {
        assertThat(Arguments.region(text, PciRegion.COUNT + 1)).isEqualTo(region);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "bar6", "10", "-1", "0x0", "99999999999"})
    void refusesOtherRegions(String text) {
        assertThatThrownBy(() -> Arguments.region(text, PciRegion.COUNT + 1))
                .isInstanceOf(CommandException.class)
                .hasMessage("'" + text + "' is no region: it is one of bar0, bar1, bar2, bar3, bar4, bar5, rom, config,"
                        + " vga, or an index from 0 to 9");
    }

    @Test
    void showsAllDigitsOfTheWidth() {
        assertThat(Arguments.hex(2, 4)).isEqualTo("0x00000002");
        assertThat(Arguments.hex(-1, 8)).isEqualTo("0xffffffffffffffff");
        assertThat(Arguments.hex(0xab, 1)).isEqualTo("0xab");
    }
}
