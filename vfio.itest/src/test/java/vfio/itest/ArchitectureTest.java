package vfio.itest;

import static java.util.stream.Collectors.toCollection;
import static java.util.stream.Collectors.toSet;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaMethodCall;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.jar.Manifest;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;

/**
 * The allowed dependencies between bundles, as a table, and the rules about what a bundle shows and calls.
 *
 * <p>Read from the class files and manifests in each module's {@code target/classes}: build the modules first.
 */
class ArchitectureTest {

    private static final String API = "vfio.pci.api";
    private static final String LINUX = "vfio.linux";
    private static final String USER = "vfio.user";
    private static final String MIGRATION = "migration.region";
    private static final String ANNOTATIONS = "org.osgi.annotation";
    private static final String NULLNESS = "org.jspecify.annotations";
    private static final String OSGI = "org.osgi";
    private static final String GOGO = "org.apache.felix.service";
    private static final String FILE_INSTALL = "org.apache.felix.fileinstall";
    private static final String JSON = "jakarta.json";
    private static final String JNA = "com.sun.jna";

    /** Peer credentials of the JDK's own UNIX sockets. */
    private static final String JDK_NET = "jdk.net";

    /** What each bundle may use beside {@code java.*}, its own packages and the nullness annotations. */
    private static final List<Bundle> TABLE = List.of(
            new Bundle(API, bundles(), libraries(ANNOTATIONS)),
            new Bundle("vfio.pci.core", bundles(API), libraries(OSGI)),
            new Bundle(LINUX, bundles(API), libraries(OSGI, JNA)),
            new Bundle("vfio.host", bundles(API, LINUX), libraries(OSGI)),
            new Bundle("vfio.sim", bundles(API), libraries(OSGI)),
            new Bundle(USER, bundles(API, LINUX), libraries(OSGI, JSON)),
            new Bundle("vfio.migration", bundles(API, LINUX), libraries(OSGI)),
            new Bundle("vfio.pci.repository", bundles(API), libraries(OSGI, FILE_INSTALL)),
            new Bundle("vfio.shell", bundles(API), libraries(OSGI, GOGO, JDK_NET)),
            new Bundle(MIGRATION, bundles(API), libraries(ANNOTATIONS)),
            new Bundle("mediate.igd", bundles(API, MIGRATION), libraries(OSGI)),
            new Bundle("mediate.i40e", bundles(API, MIGRATION), libraries(OSGI)),
            new Bundle("vfio.iavf", bundles(API, LINUX, USER), libraries(ANNOTATIONS)));

    /** Modules that put the bundles together and may use everything; no bundle may use them. */
    private static final Set<String> ASSEMBLIES = Set.of("vfio.dist", "vfio.itest", "vfio.bench");

    private static final Path WORKSPACE =
            Path.of(System.getProperty("basedir", "")).toAbsolutePath().getParent();

    private record Bundle(String name, Set<String> bundles, Set<String> libraries) {

        boolean owns(String packageName) {
            return isWithin(packageName, name);
        }

        boolean isVendor() {
            return name.startsWith("mediate.");
        }

        Path classFolder() {
            return WORKSPACE.resolve(name).resolve("target/classes");
        }

        JavaClasses classes() {
            JavaClasses classes = new ClassFileImporter().importPath(classFolder());
            assertThat(classes).as("classes in %s: is it built?", classFolder()).isNotEmpty();
            return classes;
        }

        Set<String> exports() {
            try (InputStream in = Files.newInputStream(classFolder().resolve("META-INF/MANIFEST.MF"))) {
                String header = new Manifest(in).getMainAttributes().getValue("Export-Package");
                return header == null ? Set.of() : packagesOf(header);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        private static Set<String> packagesOf(String header) {
            String withoutValues = header.replaceAll("\"[^\"]*\"", "");
            return Arrays.stream(withoutValues.split(",", -1))
                    .map(clause -> clause.replaceAll(";.*", "").trim())
                    .collect(toSet());
        }

        /** The parameterized tests show this as their name. */
        @Override
        public String toString() {
            return name;
        }
    }

    static List<Bundle> allBundles() {
        return TABLE;
    }

    static Stream<Bundle> vendorBundles() {
        return TABLE.stream().filter(Bundle::isVendor);
    }

    @Test
    void everyModuleIsInTheTable() throws IOException {
        String pom = Files.readString(WORKSPACE.resolve("pom.xml"));
        Set<String> modules = Pattern.compile("<module>([^<]+)</module>")
                .matcher(pom)
                .results()
                .map((MatchResult match) -> match.group(1))
                .collect(toSet());
        Set<String> known = Stream.concat(TABLE.stream().map(Bundle::name), ASSEMBLIES.stream())
                .collect(toSet());
        assertThat(modules).isEqualTo(known);
    }

    @ParameterizedTest
    @MethodSource("allBundles")
    void packagesAreNamedAfterTheirBundle(Bundle bundle) {
        assertThat(packagesIn(bundle.classes())).allMatch(bundle::owns);
    }

    @ParameterizedTest
    @MethodSource("allBundles")
    void usesOnlyWhatItMay(Bundle bundle) {
        Set<String> violations = dependencies(bundle)
                .filter(dependency -> !mayUse(bundle, packageOfTarget(dependency)))
                .map(Dependency::getDescription)
                .collect(toCollection(TreeSet::new));
        assertThat(violations).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("allBundles")
    void onlyTheNativeBundleCallsNativeCode(Bundle bundle) {
        if (bundle.name().equals(LINUX)) {
            return;
        }
        JavaClasses classes = bundle.classes();
        Stream<String> declared = classes.stream()
                .flatMap(type -> type.getMethods().stream())
                .filter(method -> method.getModifiers().contains(JavaModifier.NATIVE))
                .map(method -> method.getFullName() + " is native");
        Stream<String> loaded = classes.stream()
                .flatMap(type -> type.getMethodCallsFromSelf().stream())
                .filter(ArchitectureTest::loadsNativeCode)
                .map(JavaMethodCall::getDescription);
        Stream<String> mapped = dependencies(bundle)
                .filter(dependency -> isWithin(packageOfTarget(dependency), JNA))
                .map(Dependency::getDescription);
        assertThat(Stream.of(declared, loaded, mapped).flatMap(s -> s)).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("vendorBundles")
    void vendorBundlesExportNothing(Bundle bundle) {
        assertThat(bundle.exports()).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("allBundles")
    void exportedPackagesHaveAVersionAndAContract(Bundle bundle) throws IOException {
        JavaClasses classes = bundle.classes();
        for (String exported : bundle.exports()) {
            JavaClass info = packageInfo(classes, exported);
            assertThat(info.isAnnotatedWith(Export.class))
                    .as("@Export on %s", exported)
                    .isTrue();
            assertThat(info.isAnnotatedWith(Version.class))
                    .as("@Version on %s", exported)
                    .isTrue();
            assertThat(exported.split("\\.", -1))
                    .as("exported package %s", exported)
                    .doesNotContain("internal");
            assertThat(Files.readString(sourceOfPackageInfo(bundle, exported)))
                    .as("contract of %s", exported)
                    .startsWith("/**");
        }
    }

    @ParameterizedTest
    @MethodSource("allBundles")
    void everyPackageIsNullMarked(Bundle bundle) {
        JavaClasses classes = bundle.classes();
        for (String packageName : packagesIn(classes)) {
            assertThat(packageInfo(classes, packageName).isAnnotatedWith(NullMarked.class))
                    .as("@NullMarked on %s", packageName)
                    .isTrue();
        }
    }

    private static boolean mayUse(Bundle user, String packageName) {
        if (isWithin(packageName, "java") || isWithin(packageName, NULLNESS) || user.owns(packageName)) {
            return true;
        }
        Optional<Bundle> owner = TABLE.stream().filter(b -> b.owns(packageName)).findFirst();
        if (owner.isPresent()) {
            return user.bundles().contains(owner.get().name())
                    && owner.get().exports().contains(packageName);
        }
        return user.libraries().stream().anyMatch(library -> isWithin(packageName, library));
    }

    private static Stream<Dependency> dependencies(Bundle bundle) {
        return bundle.classes().stream()
                .flatMap(type -> type.getDirectDependenciesFromSelf().stream())
                .filter(dependency ->
                        !dependency.getTargetClass().getBaseComponentType().isPrimitive());
    }

    private static String packageOfTarget(Dependency dependency) {
        return dependency.getTargetClass().getBaseComponentType().getPackageName();
    }

    private static boolean loadsNativeCode(JavaMethodCall call) {
        JavaClass owner = call.getTargetOwner();
        return (owner.isEquivalentTo(System.class) || owner.isEquivalentTo(Runtime.class))
                && Set.of("load", "loadLibrary").contains(call.getName());
    }

    private static Set<String> packagesIn(JavaClasses classes) {
        return classes.stream().map(JavaClass::getPackageName).collect(toSet());
    }

    private static JavaClass packageInfo(JavaClasses classes, String packageName) {
        String name = packageName + ".package-info";
        assertThat(classes.contain(name)).as("%s exists", name).isTrue();
        return classes.get(name);
    }

    private static Path sourceOfPackageInfo(Bundle bundle, String packageName) {
        return WORKSPACE
                .resolve(bundle.name())
                .resolve("src/main/java")
                .resolve(packageName.replace('.', '/'))
                .resolve("package-info.java");
    }

    private static boolean isWithin(String packageName, String root) {
        return packageName.equals(root) || packageName.startsWith(root + ".");
    }

    private static Set<String> bundles(String... names) {
        return Set.of(names);
    }

    private static Set<String> libraries(String... roots) {
        return Set.of(roots);
    }
}
