{{- define "benchroute.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "benchroute.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "benchroute.name" -}}
{{- printf "%s-%s" .root.Release.Name .component | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "benchroute.account" -}}
{{- if .Values.serviceAccount.create }}
{{- default (printf "%s-benchroute" .Release.Name | trunc 63 | trimSuffix "-") .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "benchroute.validate" -}}
{{- $admin := dig "admin" "keys" list .Values.config }}
{{- $has := or .Values.auth.existingSecret .Values.auth.allowUnauthenticated (.Values.config.keys) $admin }}
{{- if not $has }}
{{- fail "\n\nNobody is authenticated. Set auth.existingSecret to a Secret with the SHA-256 of an admin key:\n  openssl rand -base64 32 | tee admin.key | benchroute keys hash\n  kubectl create secret generic benchroute-auth --from-literal=admin-sha256=…\nor, on a trusted network only, auth.allowUnauthenticated to true.\n" }}
{{- end }}
{{- if and .Values.auth.existingSecret .Values.auth.allowUnauthenticated }}
{{- fail "\n\nauth.existingSecret and auth.allowUnauthenticated exclude each other: with an admin key clients need keys.\n" }}
{{- end }}
{{- if not (or .Values.redis.url .Values.redis.existingSecret) }}
{{- fail "\n\nGateways and scorers share their state in Redis. Set redis.url, or redis.existingSecret to a Secret with `url`.\n" }}
{{- end }}
{{- if not .Values.config.models }}
{{- fail "\n\nNo model is configured. Set config.models, as in a config.yaml.\n" }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- fail "\n\ningress.enabled needs ingress.hosts.\n" }}
{{- end }}
{{- range $name, $metric := dict "gateway" "inFlight" "scorer" "backlog" }}
{{- $scaling := index $.Values $name "autoscaling" }}
{{- if and $scaling.enabled (not (or $scaling.cpuUtilization (get $scaling $metric))) }}
{{- fail (printf "\n\n%s.autoscaling needs cpuUtilization or %s.\n" $name $metric) }}
{{- end }}
{{- end }}
{{- $drain := dig "server" "drain_s" 0 .Values.config }}
{{- $grace := dig "server" "shutdown_grace_s" 30 .Values.config }}
{{- $needed := addf $drain $grace 15 }}
{{- if lt (float64 .Values.gateway.terminationGracePeriodSeconds) $needed }}
{{- fail (printf "\n\ngateway.terminationGracePeriodSeconds is %v: set it to %v at least, which are drain_s, shutdown_grace_s and 15 s.\n" .Values.gateway.terminationGracePeriodSeconds (ceil $needed)) }}
{{- end }}
{{- end }}

{{- /* The configuration with what the other values say. */ -}}
{{- define "benchroute.config" -}}
{{- $config := deepCopy .Values.config }}
{{- $server := dict "allow_unauthenticated" .Values.auth.allowUnauthenticated }}
{{- if .Values.auth.allowUnauthenticated }}
{{- /* Without keys a gateway accepts requests under its own names only; these are its own too. */}}
{{- $service := printf "%s.%s" (include "benchroute.name" (dict "root" . "component" "gateway")) .Release.Namespace }}
{{- $hosts := concat (dig "server" "allowed_hosts" list .Values.config) (list $service) }}
{{- if .Values.ingress.enabled }}
{{- $hosts = concat $hosts .Values.ingress.hosts }}
{{- end }}
{{- $_ := set $server "allowed_hosts" (uniq $hosts) }}
{{- end }}
{{- $state := dict "url" "${BENCHROUTE_STATE}" "cache_dir" "/var/lib/benchroute/fleet" }}
{{- $config = mustMergeOverwrite $config (dict "state" $state "server" $server) }}
{{- $keys := dig "admin" "keys" list $config }}
{{- if .Values.auth.existingSecret }}
{{- $keys = append $keys (dict "name" "admin" "sha256" "${BENCHROUTE_ADMIN_SHA256}") }}
{{- if .Values.serviceMonitor.enabled }}
{{- $keys = append $keys (dict "name" "metrics" "sha256" "${BENCHROUTE_METRICS_SHA256}" "read_only" true) }}
{{- end }}
{{- $config = mustMergeOverwrite $config (dict "admin" (dict "keys" $keys)) }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{- define "benchroute.podMetadata" -}}
labels:
  {{- include "benchroute.selector" . | nindent 2 }}
  {{- with .values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  checksum/config: {{ include "benchroute.config" .root | sha256sum }}
  {{- with .values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "benchroute.pod" -}}
serviceAccountName: {{ include "benchroute.account" .root }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ .values.terminationGracePeriodSeconds }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .root.Values.topologySpread.enabled }}
topologySpreadConstraints:
  {{- range .root.Values.topologySpread.topologyKeys }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: {{ $.root.Values.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "benchroute.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
volumes:
  - name: config
    configMap: {name: {{ include "benchroute.name" (dict "root" .root "component" "config") }}}
  - name: cache
    emptyDir: {sizeLimit: {{ .root.Values.cache.sizeLimit | quote }}}
  - name: tmp
    emptyDir: {}
  {{- with .root.Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "benchroute.container" -}}
{{- $image := .root.Values.image }}
image: "{{ $image.repository }}{{ if $image.digest }}@{{ $image.digest }}{{ else }}:{{ default .root.Chart.AppVersion $image.tag }}{{ end }}"
imagePullPolicy: {{ $image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
env:
  - name: BENCHROUTE_STATE
    {{- if .root.Values.redis.existingSecret }}
    valueFrom:
      secretKeyRef: {name: {{ .root.Values.redis.existingSecret | quote }}, key: url}
    {{- else }}
    value: {{ .root.Values.redis.url | quote }}
    {{- end }}
  {{- with .root.Values.auth.existingSecret }}
  - name: BENCHROUTE_ADMIN_SHA256
    valueFrom:
      secretKeyRef: {name: {{ . | quote }}, key: admin-sha256}
  {{- if $.root.Values.serviceMonitor.enabled }}
  - name: BENCHROUTE_METRICS_SHA256
    valueFrom:
      secretKeyRef: {name: {{ . | quote }}, key: metrics-sha256}
  {{- end }}
  {{- end }}
  {{- range .root.Values.secretEnvironment }}
  - name: {{ .name }}
    valueFrom:
      secretKeyRef: {name: {{ .secret | quote }}, key: {{ .key | quote }}}
  {{- end }}
  {{- with .root.Values.extraEnvironment }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volumeMounts:
  - {name: config, mountPath: /etc/benchroute, readOnly: true}
  - {name: cache, mountPath: /var/lib/benchroute}
  - {name: tmp, mountPath: /tmp}
  {{- with .root.Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
resources:
  {{- toYaml .values.resources | nindent 2 }}
{{- end }}

{{- define "benchroute.disruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "benchroute.name" . }}
  labels:
    {{- include "benchroute.labels" .root | nindent 4 }}
spec:
  {{- toYaml .values.disruption | nindent 2 }}
  selector:
    matchLabels:
      {{- include "benchroute.selector" . | nindent 6 }}
{{- end }}

{{- /* metrics: of the autoscaler, besides CPU. */ -}}
{{- define "benchroute.autoscaler" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "benchroute.name" . }}
  labels:
    {{- include "benchroute.labels" .root | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "benchroute.name" . }}}
  minReplicas: {{ .values.autoscaling.min }}
  maxReplicas: {{ .values.autoscaling.max }}
  metrics:
    {{- with .values.autoscaling.cpuUtilization }}
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: {{ . }}}}
    {{- end }}
    {{- with .metrics }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
