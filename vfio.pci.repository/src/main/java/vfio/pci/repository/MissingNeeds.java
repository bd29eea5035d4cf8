package vfio.pci.repository;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.osgi.framework.namespace.BundleNamespace;
import org.osgi.framework.namespace.ExecutionEnvironmentNamespace;
import org.osgi.framework.namespace.PackageNamespace;
import org.osgi.framework.wiring.BundleCapability;
import org.osgi.framework.wiring.BundleRevision;
import org.osgi.framework.wiring.FrameworkWiring;
import org.osgi.resource.Namespace;
import org.osgi.resource.Requirement;

/** Finds what keeps a bundle from resolving, and says it. */
final class MissingNeeds {
    /** What can be missing, and how it is called. */
    private static final Map<String, String> KINDS = Map.of(
            PackageNamespace.PACKAGE_NAMESPACE, "the package ",
            BundleNamespace.BUNDLE_NAMESPACE, "the bundle ");

    /** One bound of a version range in a filter. */
    private static final Pattern BOUND = Pattern.compile("(\\(!)?\\((?:bundle-)?version([<>]=)([^)]+)\\)");

    private static final Pattern JAVA = Pattern.compile("\\(osgi\\.ee=JavaSE\\).*\\(version=([^)]+)\\)");

    private static final String INTRODUCTION = "it needs ";

    private final FrameworkWiring wiring;
    private final Set<BundleRevision> visited = new HashSet<>();
    private final List<String> sentences = new ArrayList<>();

    private MissingNeeds(FrameworkWiring wiring) {
        this.wiring = wiring;
    }

    /** What a file misses that is not installed, one sentence each; empty if there is somebody for every need. */
    static List<String> of(BundleManifest manifest, FrameworkWiring wiring) {
        MissingNeeds missing = new MissingNeeds(wiring);
        missing.look(INTRODUCTION, manifest.needs());
        return missing.sentences;
    }

    /** What an installed bundle misses. */
    static List<String> of(BundleRevision revision, FrameworkWiring wiring) {
        MissingNeeds missing = new MissingNeeds(wiring);
        missing.visited.add(revision);
        missing.look(INTRODUCTION, revision.getDeclaredRequirements(null));
        return missing.sentences;
    }

    private void look(String introduction, Collection<? extends Requirement> needs) {
        for (Requirement need : needs) {
            if (!isMandatory(need)) {
                continue;
            }
            Collection<BundleCapability> providers = wiring.findProviders(need);
            if (providers.isEmpty()) {
                sentences.add(introduction + describe(need));
            } else if (providers.stream().noneMatch(MissingNeeds::isThere)) {
                providers.forEach(provider -> lookBehind(introduction, provider.getRevision()));
            }
        }
    }

    /** A bundle that could help does not resolve either. */
    private void lookBehind(String introduction, BundleRevision helper) {
        if (visited.add(helper)) {
            look(introduction + helper.getSymbolicName() + ", and that needs ", helper.getDeclaredRequirements(null));
        }
    }

    private static boolean isThere(BundleCapability provider) {
        return provider.getRevision().getWiring() != null;
    }

    private static boolean isMandatory(Requirement need) {
        Map<String, String> directives = need.getDirectives();
        return !Namespace.RESOLUTION_OPTIONAL.equals(directives.get(Namespace.REQUIREMENT_RESOLUTION_DIRECTIVE))
                && !"dynamic".equals(directives.get(Namespace.REQUIREMENT_RESOLUTION_DIRECTIVE))
                && Namespace.EFFECTIVE_RESOLVE.equals(directives.getOrDefault(
                        Namespace.REQUIREMENT_EFFECTIVE_DIRECTIVE, Namespace.EFFECTIVE_RESOLVE));
    }

    private String describe(Requirement need) {
        String namespace = need.getNamespace();
        String filter = need.getDirectives().getOrDefault(Namespace.REQUIREMENT_FILTER_DIRECTIVE, "");
        String kind = KINDS.get(namespace);
        if (kind != null) {
            Optional<String> name = name(namespace, filter);
            if (name.isPresent()) {
                return kind + name.get() + version(filter) + ", which "
                        + (namespace.equals(PackageNamespace.PACKAGE_NAMESPACE)
                                ? offered(namespace, name.get(), "version", "no bundle exports")
                                : offered(namespace, name.get(), "bundle-version", "is not installed"));
            }
        }
        Matcher java = JAVA.matcher(filter);
        if (namespace.equals(ExecutionEnvironmentNamespace.EXECUTION_ENVIRONMENT_NAMESPACE) && java.find()) {
            return "Java " + java.group(1) + ", and this is Java "
                    + Runtime.version().feature();
        }
        return namespace + (filter.isEmpty() ? "" : " " + filter) + ", which no bundle provides";
    }

    /** Who has it in another version, or that nobody has. */
    private String offered(String namespace, String name, String versionAttribute, String absence) {
        String others = wiring.findProviders(new Need(namespace, "(" + namespace + "=" + name + ")")).stream()
                .map(other -> other.getRevision().getSymbolicName() + " has in version "
                        + other.getAttributes().get(versionAttribute))
                .distinct()
                .collect(Collectors.joining(" and "));
        return others.isEmpty() ? absence : others;
    }

    private static Optional<String> name(String namespace, String filter) {
        Matcher name = Pattern.compile("\\(" + Pattern.quote(namespace) + "=([^)]+)\\)")
                .matcher(filter);
        return name.find() ? Optional.of(name.group(1)) : Optional.empty();
    }

    private static String version(String filter) {
        String bounds = BOUND.matcher(filter)
                .results()
                .map(bound -> (bound.group(1) == null
                                ? bound.group(2)
                                : bound.group(2).equals(">=") ? "<" : ">")
                        + bound.group(3))
                .collect(Collectors.joining(" "));
        return bounds.isEmpty() ? "" : " in version " + bounds;
    }
}
