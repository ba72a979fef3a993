{{- define "benchroute.labels" -}}
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
{{- default (printf "%s-benchroute" .Release.Name) .Values.serviceAccount.name }}
{{- end }}

{{- define "benchroute.pod" -}}
serviceAccountName: {{ include "benchroute.account" .root }}
automountServiceAccountToken: false
terminationGracePeriodSeconds: {{ .values.terminationGracePeriodSeconds }}
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
{{- end }}

{{- define "benchroute.container" -}}
image: "{{ .root.Values.image.repository }}:{{ default .root.Chart.AppVersion .root.Values.image.tag }}"
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
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
  {{- range .root.Values.secretEnvironment }}
  - name: {{ .name }}
    valueFrom:
      secretKeyRef: {name: {{ .secret | quote }}, key: {{ .key | quote }}}
  {{- end }}
volumeMounts:
  - {name: config, mountPath: /etc/benchroute, readOnly: true}
  - {name: cache, mountPath: /var/lib/benchroute}
  - {name: tmp, mountPath: /tmp}
resources:
  {{- toYaml .values.resources | nindent 2 }}
{{- end }}
