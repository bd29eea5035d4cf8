package vfio.shell;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.pci.api.pci.PciAddress;

class DeviceNameTest {
    private static final List<PciAddress> KNOWN = Stream.of(
                    "0000:00:02.0", "0000:03:02.0", "0000:03:02.1", "0001:1f:1e.7")
            .map(PciAddress::parse)
            .toList();

    @ParameterizedTest
    @CsvSource({
        "0000:03:02.0, 0000:03:02.0",
        "03:02.0,      0000:03:02.0",
        "3:2.0,        0000:03:02.0",
        "0:0:2.0,      0000:00:02.0",
        "2.1,          0000:03:02.1",
        "1:1f:1e.7,    0001:1f:1e.7",
        "1F:1E.7,      0001:1f:1e.7",
    })
    void findsTheOneThatIsMeant(String text, String address) {
        assertThat(DeviceName.resolve(text, KNOWN)).hasToString(address);
    }

    @Test
    void namesTheChoicesWhenItIsNotUnique() {
        assertThatThrownBy(() -> DeviceName.resolve("2.0", KNOWN))
                .isInstanceOf(CommandException.class)
                .hasMessage("2.0 is not unique, it could be 0000:00:02.0 or 0000:03:02.0");
    }

    @Test
    void saysWhereToLookWhenNoneMatches() {
        assertThatThrownBy(() -> DeviceName.resolve("0000:03:02.7", KNOWN))
                .isInstanceOf(CommandException.class)
                .hasMessage("0000:03:02.7 is not present; vfio:devices lists what is");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "i40e", "03:02", "03:02.8", "3:2.0.0", "00000:03:02.0", "3:2.0 "})
    void refusesWhatIsNoAddress(String text) {
        assertThatThrownBy(() -> DeviceName.resolve(text, KNOWN))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("is not a PCI address: write it like 0000:03:02.0");
    }
}
