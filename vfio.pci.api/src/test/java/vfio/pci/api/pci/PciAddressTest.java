package vfio.pci.api.pci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PciAddressTest {
    @ParameterizedTest
    @ValueSource(strings = {"0000:00:00.0", "0000:03:02.1", "ffff:ff:1f.7", "8000:80:10.4"})
    void readsWhatItPrints(String text) {
        assertThat(PciAddress.parse(text)).hasToString(text);
    }

    @Test
    void readsEitherCase() {
        assertThat(PciAddress.parse("ABCD:EF:1A.7")).isEqualTo(PciAddress.parse("abcd:ef:1a.7"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "03:02.0",
                "0000:03:02",
                "0000:03:02.8",
                "0000:03:20.0",
                "0000:03:ff.0",
                "00000:03:02.0",
                "000:03:02.0",
                "0000:03:02.0 ",
                " 0000:03:02.0",
                "0000:03:02.0\n",
                "0000-03-02.0",
                "0000:0g:02.0",
                "-000:03:02.0",
                "0000:03:02.00",
                "../../etc"
            })
    void refusesEverythingElse(String text) {
        assertThatIllegalArgumentException().isThrownBy(() -> PciAddress.parse(text));
    }

    @Test
    void sentenceShowsHowToWriteIt() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PciAddress.parse("3:2"))
                .withMessage("'3:2' is not a PCI address; write it like 0000:03:02.0");
    }

    @ParameterizedTest
    @CsvSource({"65536,0,0,0", "0,256,0,0", "0,0,32,0", "0,0,0,8", "-1,0,0,0", "0,-1,0,0", "0,0,-1,0", "0,0,0,-1"})
    void refusesNumbersOutOfRange(int domain, int bus, int device, int function) {
        assertThatIllegalArgumentException().isThrownBy(() -> new PciAddress(domain, bus, device, function));
    }

    @Test
    void sortsByDomainBusDeviceAndFunctionUnsigned() {
        assertThat(Stream.of(
                                "ffff:00:00.0",
                                "8000:00:00.0",
                                "7fff:ff:1f.7",
                                "0000:80:00.0",
                                "0000:03:02.1",
                                "0000:03:02.0",
                                "0000:03:00.7",
                                "0000:02:1f.7")
                        .map(PciAddress::parse)
                        .sorted()
                        .map(PciAddress::toString))
                .containsExactly(
                        "0000:02:1f.7",
                        "0000:03:00.7",
                        "0000:03:02.0",
                        "0000:03:02.1",
                        "0000:80:00.0",
                        "7fff:ff:1f.7",
                        "8000:00:00.0",
                        "ffff:00:00.0");
    }

    @Test
    void everyRoutingIdComesBack() {
        PciAddress address = PciAddress.parse("8001:00:00.0");
        for (int routingId = 0; routingId <= 0xffff; routingId++) {
            PciAddress there = address.withRoutingId(routingId);
            if (there.routingId() != routingId || there.domain() != 0x8001) {
                assertThat(there.routingId()).isEqualTo(routingId);
                assertThat(there.domain()).isEqualTo(0x8001);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0x10000, -1, Integer.MAX_VALUE, Integer.MIN_VALUE})
    void refusesRoutingIdsThatAreNot16Bits(int routingId) {
        PciAddress address = PciAddress.parse("0000:00:00.0");

        assertThatIllegalArgumentException().isThrownBy(() -> address.withRoutingId(routingId));
    }

    /** Addresses name files and services; digits of the operator's language must not get into them. */
    @Test
    void printsTheSameInEveryLanguage() {
        Locale usual = Locale.getDefault();
        try {
            Locale.setDefault(Locale.forLanguageTag("ar-EG-u-nu-arab"));
            assertThat(String.format("%d", 7))
                    .as("the locale has digits of its own")
                    .isNotEqualTo("7");
            assertThat(new PciAddress(0, 3, 2, 7)).hasToString("0000:03:02.7");
        } finally {
            Locale.setDefault(usual);
        }
    }
}
