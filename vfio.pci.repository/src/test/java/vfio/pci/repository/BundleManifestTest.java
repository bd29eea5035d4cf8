package vfio.pci.repository;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import java.util.jar.Attributes;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.osgi.framework.Version;
import vfio.pci.api.pci.PciIds;

class BundleManifestTest {
    private static final PciIds VF = new PciIds(0x8086, 0x154c, 0x8086, 0, 0x020000, 2);
    private static final PciIds IGD = new PciIds(0x8086, 0x5927, 0x8086, 0x2212, 0x030000, 6);

    @Test
    void nameVersionAndHost() throws Exception {
        BundleManifest manifest =
                manifest(Map.of("Bundle-SymbolicName", "a.b;singleton:=true", "Bundle-Version", "1.2.3.x"));

        assertThat(manifest.symbolicName()).isEqualTo("a.b");
        assertThat(manifest.version()).isEqualTo(Version.valueOf("1.2.3.x"));
        assertThat(manifest.host()).isEmpty();
        assertThat(manifest.label()).isEqualTo("a.b 1.2.3.x");
        assertThat(manifest(Map.of("Fragment-Host", "c.d;bundle-version=1")).host())
                .contains("c.d");
    }

    @Test
    void offersMatchByVendorDeviceAndClass() throws Exception {
        BundleManifest manifest = manifest(Map.of(
                "Provide-Capability",
                "vfio.pci.mediate;vendor=8086;device:List<String>=\"154c,1571\",osgi.service;objectClass=x,"
                        + "vfio.pci.mediate;vendor=8086;class=03"));

        assertThat(manifest.offers()).extracting(Offer::toString).containsExactly("8086:154c,1571", "8086 class 03");
        assertThat(manifest.matches(VF)).isTrue();
        assertThat(manifest.matches(IGD)).isTrue();
        assertThat(manifest.matches(new PciIds(0x8086, 0x154d, 0, 0, 0x020000, 0)))
                .isFalse();
        assertThat(manifest.matches(new PciIds(0x8087, 0x154c, 0, 0, 0x030000, 0)))
                .isFalse();
    }

    @Test
    void everyAttributeThatIsGivenMustMatch() {
        assertThat(new Offer("8086", List.of("5927"), "0300").matches(IGD)).isTrue();
        assertThat(new Offer("8086", List.of("5927"), "0380").matches(IGD)).isFalse();
        assertThat(new Offer("8086", List.of("154c"), "03").matches(IGD)).isFalse();
        assertThat(new Offer("8086", List.of(), "").matches(IGD)).isTrue();
    }

    @Test
    void needsLeaveOutWhatIsOptionalOwnOrNotForResolving() throws Exception {
        BundleManifest manifest = manifest(Map.of(
                "Import-Package", "a;version=\"[1,2)\",b;resolution:=optional,own",
                "Export-Package", "own;version=1",
                "Require-Bundle", "c;bundle-version=2,d;resolution:=optional",
                "Require-Capability", "e;filter:=\"(f=g)\",h;effective:=active,i;resolution:=optional"));

        assertThat(manifest.needs())
                .containsExactlyInAnyOrder(
                        new Need(
                                "osgi.wiring.package",
                                "(&(osgi.wiring.package=a)(&(version>=1.0.0)(!(version>=2.0.0))))"),
                        new Need("osgi.wiring.bundle", "(&(osgi.wiring.bundle=c)(bundle-version>=2.0.0))"),
                        new Need("e", "(f=g)"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "Bundle-ManifestVersion | 1 | its Bundle-ManifestVersion is 1 and must be 2",
                "Bundle-Version | one | its Bundle-Version is 'one', which is no version",
                "Import-Package | a;version=x | it wants a in version 'x', which is no version",
                "Import-Package | a;;b | its header Import-Package cannot be read at character 3: something is missing",
                "Provide-Capability | vfio.pci.mediate;vendor=0x8086 | its capability vfio.pci.mediate has vendor"
                        + " '0x8086', which must be four lower-case hexadecimal digits",
                "Provide-Capability | vfio.pci.mediate;device=154c | its capability vfio.pci.mediate has vendor"
                        + " '', which must be four lower-case hexadecimal digits",
                "Provide-Capability | vfio.pci.mediate;vendor=8086;device=154C | its capability vfio.pci.mediate has"
                        + " device '154C', which must be four lower-case hexadecimal digits",
                "Provide-Capability | vfio.pci.mediate;vendor=8086;class=3 | its capability vfio.pci.mediate has"
                        + " class '3', which must be two, four or six lower-case hexadecimal digits",
            })
    void aWrongManifestIsSaidToBe(String header, String value, String sentence) {
        assertThatThrownBy(() -> manifest(Map.of(header, value)))
                .isInstanceOfSatisfying(InvalidBundleException.class, e -> assertThat(e.isManifestWrong())
                        .isTrue())
                .hasMessage(sentence);
    }

    @Test
    void aManifestWithoutAVersionOfItsFormIsWrong() {
        Attributes headers = new Attributes();
        headers.putValue("Bundle-SymbolicName", "a");

        assertThatThrownBy(() -> BundleManifest.of(headers))
                .hasMessage("its Bundle-ManifestVersion is missing and must be 2");
    }

    @Test
    void aPlainJarIsNoBundle() {
        assertThatThrownBy(() -> BundleManifest.of(new Attributes()))
                .isInstanceOfSatisfying(InvalidBundleException.class, e -> assertThat(e.isManifestWrong())
                        .isFalse())
                .hasMessage("it is a plain jar, no bundle: its manifest has no Bundle-SymbolicName");
    }

    private static BundleManifest manifest(Map<String, String> headers) throws InvalidBundleException {
        Attributes attributes = new Attributes();
        attributes.putValue("Bundle-ManifestVersion", "2");
        attributes.putValue("Bundle-SymbolicName", "test");
        headers.forEach(attributes::putValue);
        return BundleManifest.of(attributes);
    }
}
