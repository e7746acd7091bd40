// Entry of @dragoman/metrics.
export {
  compileStatsMatcher,
  compileStringMatcher,
  type NamePredicate,
  regexFromRe2,
  type StatsMatcher,
  type StringMatcher,
} from './name-matcher.ts';
export {
  type ExpositionConfig,
  metricName,
  type PrometheusQuery,
  PrometheusText,
} from './prometheus-text.ts';
export {
  type ExtractedName,
  type Tag,
  type TagConfig,
  TagExtractor,
  type TagSpecifier,
} from './tag-extractor.ts';
